//! [`Witness`]: a simulated device that shows, at every operation, what a loss of power there would leave.
//!
//! So one run of a workload gives all its crash points, and a workload of n operations costs n openings and not n runs. What
//! a cut during an operation leaves: what a write changes is in doubt behind it, what a durable write changes is in doubt
//! before it is settled, and a sync has settled nothing yet.

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::lsm::{SimulatedStorage, Storage};

/// What is called at every operation, with its number and the device as the cut finds it.
type AtCut = Box<dyn FnMut(u64, &SimulatedStorage) + Send>;

/// A device whose every operation is witnessed.
#[derive(Clone)]
pub(super) struct Witness {
    pub(super) device: SimulatedStorage,
    at_cut: Arc<Mutex<(u64, AtCut)>>,
}

impl Witness {
    pub(super) fn new(
        device: SimulatedStorage,
        at_cut: impl FnMut(u64, &SimulatedStorage) + Send + 'static,
    ) -> Self {
        Witness { device, at_cut: Arc::new(Mutex::new((0, Box::new(at_cut)))) }
    }

    fn cut(&self) {
        let mut at_cut = self.at_cut.lock().expect("no test fails here and goes on");
        let (number, call) = &mut *at_cut;
        *number += 1;
        call(*number, &self.device);
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").finish_non_exhaustive()
    }
}

impl Storage for Witness {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.device.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.device.write_at(offset, bytes)?;
        self.cut();
        Ok(())
    }

    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.device.write_at(offset, bytes)?;
        self.cut();
        self.device.write_durable(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.cut();
        self.device.sync()
    }

    fn len_bytes(&self) -> io::Result<u64> {
        self.device.len_bytes()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.device.set_len(bytes)?;
        self.cut();
        Ok(())
    }

    fn punch(&self, offset: u64, bytes: u64) -> io::Result<bool> {
        let punched = self.device.punch(offset, bytes)?;
        self.cut();
        Ok(punched)
    }

    fn map(&self, offset: u64, bytes: u64, keep: Arc<dyn Any + Send + Sync>) -> Option<Bytes> {
        self.device.map(offset, bytes, keep)
    }
}

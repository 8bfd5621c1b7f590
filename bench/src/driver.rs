//! A driver: a program of its own that knows an engine, and the pipes to it.
//!
//! `search` and `index` start one for an engine that is not in Rust; what is said is a matter of the two, answers are lines.

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Result;

/// A driver that runs; it ends with this.
pub(crate) struct Driver {
    child: Child,
    input: BufWriter<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Driver {
    /// Starts one.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("the driver has no input")?;
        let output = child.stdout.take().ok_or("the driver has no output")?;
        Ok(Driver { child, input: BufWriter::new(input), output: BufReader::new(output) })
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends what was written, and reads the line that comes back.
    pub(crate) fn answer(&mut self) -> Result<String> {
        self.input.flush()?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("the driver ended; its own words stand above".into());
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }
}

impl Write for Driver {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.input.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.flush()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It has nothing to lose, and its folder goes next.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

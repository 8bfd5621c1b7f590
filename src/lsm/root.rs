//! Where everything durable begins: the descriptor and the two root slots, encoded, chosen and written here.
//!
//! Recovery reads them, checkpoints write them; nothing else knows their bytes. The layout:
#![doc = ""]
#![doc = include_str!("../../docs/format/root.md")]

use std::sync::Arc;

use super::cipher::{BlockCipher, Owner, RESERVED_BYTES_MAX, Sealer};
use super::codec::ByteReader;
use super::codec::checksum::checksum;
use super::descriptor::Descriptor;
use super::error::{Error, Result};
use super::ids::{CommitNo, Extent, PAGE_BYTES, pages_for};
use super::storage::Storage;
use super::wal::LogPosition;

pub(crate) const ROOT_MAGIC: &[u8; 8] = b"ALVROOT\0";
pub(crate) const ROOT_BYTES: usize = 232;
/// What the cipher proves: everything before its own bytes.
const PROVED_BYTES: usize = ROOT_BYTES - 8 - RESERVED_BYTES_MAX;
/// Pages of the two slots: 28 KiB apart, so that no one misplaced write hits both.
pub(crate) const SLOT_PAGES: [u64; 2] = [1, 8];
/// Pages that the descriptor and the slots occupy for ever.
pub(crate) const RESERVED: [Extent; 3] = [
    Extent { start: 0, pages: 1 },
    Extent { start: SLOT_PAGES[0], pages: 1 },
    Extent { start: SLOT_PAGES[1], pages: 1 },
];
/// Owner of the checksums; segments and log extents use small numbers.
pub(crate) const ROOT_OWNER: u64 = u64::MAX - 1;

/// One checkpoint: where the manifest stands and where replay of the log begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root {
    /// Ascends by one with each checkpoint; its parity names the slot.
    pub(crate) generation: u64,
    /// Everything that the manifest describes was closed cleanly, and both slots describe the same state.
    pub(crate) clean: bool,
    pub(crate) manifest: Extent,
    pub(crate) manifest_bytes: u64,
    pub(crate) manifest_checksum: u64,
    /// The newest commit when the root was written.
    pub(crate) commit: CommitNo,
    /// Pages that the file has at least.
    pub(crate) file_pages: u64,
    /// Where replay begins.
    pub(crate) log: LogPosition,
    /// Number of the next log record when the manifest was captured: earlier edits are in it.
    pub(crate) edits_before: u64,
    /// What the first record of the present chain names as the one before it: another number whenever a process went
    /// on where one had died, so that what was lost cannot be mistaken for what came instead.
    pub(crate) chain: u64,
}

impl Root {
    pub(crate) fn encode(&self, sealer: &Sealer) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(ROOT_BYTES);
        out.extend_from_slice(ROOT_MAGIC);
        for number in [
            self.generation,
            u64::from(self.clean),
            self.manifest.start,
            self.manifest.pages,
            self.manifest_bytes,
            self.manifest_checksum,
            self.commit.0,
            self.file_pages,
            self.log.extent.start,
            self.log.extent.pages,
            self.log.sequence,
            self.log.offset,
            self.log.record,
            self.log.previous,
            self.edits_before,
            self.chain,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.resize(PROVED_BYTES, 0);
        let stamp = sealer.stamp(Owner::Root, &out)?;
        out.extend_from_slice(&stamp);
        out.resize(ROOT_BYTES - 8, 0);
        let sum = checksum(ROOT_OWNER, 0, &out);
        out.extend_from_slice(&sum.to_le_bytes());
        Ok(out)
    }

    /// The root in a slot, if it is whole and the cipher accepts it.
    pub(crate) fn open(slot: &[u8], sealer: &Sealer) -> Option<Root> {
        let root = Root::decode(slot).ok()?;
        let stamp = slot.get(PROVED_BYTES..ROOT_BYTES - 8)?;
        sealer.proves(Owner::Root, slot.get(..PROVED_BYTES)?, stamp).then_some(root)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Root> {
        let mut reader = ByteReader::new("root slot", bytes);
        let body = reader.take(ROOT_BYTES - 8)?;
        if reader.u64()? != checksum(ROOT_OWNER, 0, body) {
            return Err(reader.error("checksum mismatch"));
        }
        let mut reader = ByteReader::new("root slot", body);
        if reader.take(ROOT_MAGIC.len())? != ROOT_MAGIC {
            return Err(reader.error("wrong magic"));
        }
        let extent = |reader: &mut ByteReader<'_>| -> Result<Extent> {
            let found = Extent::checked(reader.u64()?, reader.u64()?);
            found.ok_or_else(|| reader.error("an extent's place is impossible"))
        };
        Ok(Root {
            generation: reader.u64()?,
            clean: reader.u64()? == 1,
            manifest: extent(&mut reader)?,
            manifest_bytes: reader.u64()?,
            manifest_checksum: reader.u64()?,
            commit: CommitNo(reader.u64()?),
            file_pages: reader.u64()?,
            log: LogPosition {
                extent: extent(&mut reader)?,
                sequence: reader.u64()?,
                offset: reader.u64()?,
                record: reader.u64()?,
                previous: reader.u64()?,
            },
            edits_before: reader.u64()?,
            chain: reader.u64()?,
        })
    }

    /// Pages of a manifest of `bytes` and of the copy of its root behind it.
    pub(crate) fn manifest_pages(bytes: u64) -> u64 {
        pages_for(bytes.saturating_add(ROOT_BYTES as u64))
    }

    /// Where in a manifest's extent the copy of its root begins.
    pub(crate) fn copy_offset(manifest: Extent) -> u64 {
        manifest.bytes().saturating_sub(ROOT_BYTES as u64)
    }

    /// Writes the root into its slot, the one that the root before it does not stand in.
    pub(crate) fn write(&self, storage: &dyn Storage, sealer: &Sealer) -> Result<()> {
        let mut page = self.encode(sealer)?;
        page.resize(usize::try_from(PAGE_BYTES).expect("invariant: a page fits in memory"), 0);
        let slot = SLOT_PAGES[usize::from(self.generation.is_multiple_of(2))];
        storage
            .write_at(slot * PAGE_BYTES, &page)
            .map_err(|source| Error::io(format!("writing root {}", self.generation), source))
    }
}

/// What the first pages of a file say about it.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing: the file is empty, or its creation never finished.
    Nothing,
    /// What was decided when the file was created, what opens its pieces, and the roots of the slots that are whole,
    /// newest first; the second is the fallback of the first.
    File(Descriptor, Sealer, Vec<Root>),
}

/// Reads the descriptor and both slots of a file that is to be opened with `cipher`. Changes nothing.
pub(crate) fn read(storage: &dyn Storage, cipher: Option<&Arc<dyn BlockCipher>>) -> Result<Found> {
    let len =
        storage.len_bytes().map_err(|source| Error::io("reading the file's length", source))?;
    let page = |number: u64| -> Result<Vec<u8>> {
        let start = number * PAGE_BYTES;
        let bytes = len.saturating_sub(start).min(PAGE_BYTES);
        let mut buffer = vec![0; usize::try_from(bytes).unwrap_or_default()];
        storage
            .read_at(start, &mut buffer)
            .map_err(|source| Error::io(format!("reading page {number}"), source))?;
        Ok(buffer)
    };
    let descriptor = page(0)?;
    let slots = [page(SLOT_PAGES[0])?, page(SLOT_PAGES[1])?];
    if descriptor.iter().all(|&byte| byte == 0) {
        return undescribed(storage, len);
    }
    let (descriptor, sealer) = Descriptor::decode(&descriptor, cipher)?;
    let whole = |slot: &Vec<u8>| Root::open(slot, &sealer);
    let mut roots: Vec<Root> = slots.iter().filter_map(whole).collect();
    roots.sort_by_key(|root| std::cmp::Reverse(root.generation));
    if roots.is_empty() {
        if len < (SLOT_PAGES[1] + 1) * PAGE_BYTES {
            let expected_bytes = (SLOT_PAGES[1] + 1) * PAGE_BYTES;
            return Err(Error::Truncated { expected_bytes, found_bytes: len });
        }
        return Err(Error::corruption("root slots: neither is whole", SLOT_PAGES[0] * PAGE_BYTES));
    }
    Ok(Found::File(descriptor, sealer, roots))
}

/// An error when the file is shorter than its newest root says.
pub(crate) fn check_len(storage: &dyn Storage, newest: &Root) -> Result<()> {
    let found_bytes =
        storage.len_bytes().map_err(|source| Error::io("reading the file's length", source))?;
    let expected_bytes = newest.file_pages.saturating_mul(PAGE_BYTES);
    if found_bytes < expected_bytes {
        return Err(Error::Truncated { expected_bytes, found_bytes });
    }
    Ok(())
}

/// A file whose descriptor is all zeros: the descriptor is written last, so either its creation was cut
/// short, and there is nothing but what creation writes, or it is not ours, or damaged.
fn undescribed(storage: &dyn Storage, len: u64) -> Result<Found> {
    let refused = || Error::NotADatabase { found: "its first page is empty".to_owned() };
    if len > NEW_FILE_PAGES * PAGE_BYTES {
        return Err(refused());
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    storage.read_at(0, &mut bytes).map_err(|source| Error::io("reading a new file", source))?;
    let mut reader = ByteReader::new("new file", &bytes);
    let page_bytes = usize::try_from(PAGE_BYTES).unwrap_or_default();
    for page in 0..NEW_FILE_PAGES {
        let bytes = reader.take(page_bytes.min(reader.remaining()))?;
        let is_empty = bytes.iter().all(|&byte| byte == 0);
        let is_first_root = || Root::decode(bytes).is_ok_and(|root| root.generation == 1);
        let is_of_creation = match page {
            _ if NEW_FILE_FILLED.contains(&page) => true,
            _ if page == SLOT_PAGES[0] => is_empty || is_first_root(),
            _ => is_empty,
        };
        if !is_of_creation {
            return Err(refused());
        }
    }
    Ok(Found::Nothing)
}

/// Pages of a file that holds nothing yet: the reserved ones, a manifest and the first log extent.
pub(crate) const NEW_FILE_PAGES: u64 = 16;
/// Pages of a new file that are not empty besides the reserved ones: its manifest, and the header of its log.
const NEW_FILE_FILLED: [u64; 2] = [2, 9];

/// Writes the descriptor, the last thing that a new file gets.
pub(crate) fn write_descriptor(
    storage: &dyn Storage,
    descriptor: &Descriptor,
    sealer: &Sealer,
) -> Result<()> {
    let page = descriptor.encode(sealer)?;
    storage.write_at(0, &page).map_err(|source| Error::io("writing the descriptor", source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsm::cipher::tests::ToyCipher;

    pub(super) fn sample() -> Root {
        Root {
            generation: 5,
            clean: true,
            manifest: Extent { start: 2, pages: 1 },
            manifest_bytes: 300,
            manifest_checksum: 0x0123_4567_89AB_CDEF,
            commit: CommitNo(9),
            file_pages: 16,
            log: LogPosition {
                extent: Extent { start: 9, pages: 7 },
                sequence: 3,
                offset: 4096,
                record: 12,
                previous: 77,
            },
            edits_before: 12,
            chain: 77,
        }
    }

    #[test]
    fn a_root_comes_back_as_it_went_and_no_flipped_bit_passes() {
        let root = sample();
        let bytes = root.encode(&Sealer::NONE).unwrap();
        assert_eq!(bytes.len(), ROOT_BYTES);
        assert_eq!(Root::decode(&bytes).unwrap(), root);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Root::decode(&damaged).is_err());
        }
    }

    #[test]
    fn a_root_forged_without_the_key_is_not_whole() {
        let sealer = |key| Sealer::for_new_file(Some(Arc::new(ToyCipher::new(key)))).unwrap();
        let ours = sealer(1);
        let bytes = sample().encode(&ours).unwrap();
        assert_eq!(Root::open(&bytes, &ours).unwrap(), sample());
        for others in [Sealer::NONE, sealer(2)] {
            let forged = sample().encode(&others).unwrap();
            assert!(Root::decode(&forged).is_ok() && Root::open(&forged, &ours).is_none());
        }
        let mut forged = bytes[..ROOT_BYTES - 8].to_vec();
        forged[8] ^= 2;
        let sum = checksum(ROOT_OWNER, 0, &forged);
        forged.extend_from_slice(&sum.to_le_bytes());
        assert!(Root::decode(&forged).is_ok() && Root::open(&forged, &ours).is_none());
    }

    #[test]
    fn the_format_page_states_the_sizes_of_the_code() {
        let page = include_str!("../../docs/format/root.md");
        assert!(page.contains(&format!("Total: {ROOT_BYTES} bytes")));
    }
}

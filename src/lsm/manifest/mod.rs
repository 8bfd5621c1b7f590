//! What the store consists of: the version in memory, its edits, and the manifest that a checkpoint writes of it.
//!
//! `recovery` restores a version from it, `store` applies edits and captures it. The layout:
#![doc = ""]
#![doc = include_str!("../../../docs/format/manifest.md")]

mod edit;
mod order;
mod values;
mod version;

pub(crate) use edit::{Edit, Placed};
pub(crate) use values::described;
pub(crate) use version::{
    FRESH_RUNS_MAX, Hold, Keyspace, LEVELS_MAX, Level, Made, Opener, Registry, Run, Version,
};

use super::codec::{ByteReader, put_varint};
use super::error::{Error, Result};
use super::fresh::KeyspaceDescriptor;
use super::ids::CommitNo;
use super::value::PlacedValues;

/// Everything that a checkpoint writes besides the root.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest {
    /// Commits up to this one are in segments.
    pub(crate) flushed: CommitNo,
    pub(crate) next_segment: u64,
    pub(crate) next_run: u64,
    /// Greatest number that a keyspace ever had.
    pub(crate) last_keyspace: u32,
    pub(crate) keyspaces: Vec<KeyspaceDescriptor>,
    /// Every segment; runs of a level in order, newest first.
    pub(crate) segments: Vec<Placed>,
    /// Every value segment.
    pub(crate) values: Vec<PlacedValues>,
}

const MANIFEST_VERSION: u8 = 1;

impl Manifest {
    /// Describes `version`.
    pub(crate) fn capture(version: &Version, next_segment: u64, next_run: u64) -> Self {
        let mut segments = Vec::new();
        for keyspace in version.keyspaces.values() {
            for (level, content) in keyspace.levels.iter().enumerate() {
                for run in &content.runs {
                    segments.extend(run.segments.iter().map(|segment| Placed {
                        level: u8::try_from(level).expect("invariant: levels are few"),
                        run: run.id,
                        extent: segment.extent(),
                        summary: segment.summary().clone(),
                    }));
                }
            }
        }
        Manifest {
            flushed: version.flushed,
            next_segment,
            next_run,
            last_keyspace: version.last_keyspace,
            keyspaces: version.keyspaces.values().map(|keyspace| keyspace.descriptor()).collect(),
            segments,
            values: version.value_segments().map(|(k, held)| described(k.id, held)).collect(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![MANIFEST_VERSION];
        let last_keyspace = u64::from(self.last_keyspace);
        for number in [self.flushed.0, self.next_segment, self.next_run, last_keyspace] {
            put_varint(&mut out, number);
        }
        put_varint(&mut out, self.keyspaces.len() as u64);
        for descriptor in &self.keyspaces {
            descriptor.encode(&mut out);
        }
        put_varint(&mut out, self.segments.len() as u64);
        for placed in &self.segments {
            placed.encode(&mut out);
        }
        put_varint(&mut out, self.values.len() as u64);
        for placed in &self.values {
            placed.encode(&mut out);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = ByteReader::new("manifest", bytes);
        let version = reader.u8()?;
        if version != MANIFEST_VERSION {
            return Err(
                reader.error(format_args!("version {version}, expected {MANIFEST_VERSION}"))
            );
        }
        let flushed = CommitNo(reader.varint()?);
        let (next_segment, next_run) = (reader.varint()?, reader.varint()?);
        let last_keyspace = reader.varint_u32()?;
        let mut keyspaces = Vec::new();
        for _ in 0..reader.varint()? {
            keyspaces.push(KeyspaceDescriptor::decode(&mut reader)?);
        }
        let mut segments = Vec::new();
        for _ in 0..reader.varint()? {
            segments.push(Placed::decode(&mut reader)?);
        }
        let mut values = Vec::new();
        for _ in 0..reader.varint()? {
            values.push(PlacedValues::decode(&mut reader)?);
        }
        reader.expect_end()?;
        Ok(Manifest { flushed, next_segment, next_run, last_keyspace, keyspaces, segments, values })
    }

    /// The version that the manifest describes. `opener` makes a segment of its description.
    pub(crate) fn restore(
        &self,
        registry: &Registry,
        commit: CommitNo,
        opener: &dyn Opener,
    ) -> Result<Version> {
        let mut version = Version { commit, flushed: self.flushed, ..Version::default() };
        for descriptor in &self.keyspaces {
            version.create_keyspace(descriptor, registry)?;
        }
        if version.last_keyspace > self.last_keyspace {
            let what = format!("manifest: keyspace {} is not known", version.last_keyspace);
            return Err(Error::corruption(what, 0));
        }
        version.last_keyspace = self.last_keyspace;
        for placed in &self.values {
            version.put_values(placed, opener)?;
        }
        // Oldest first, because a run that is new to its level becomes the newest one there.
        let mut runs: Vec<Vec<&Placed>> = Vec::new();
        for placed in &self.segments {
            let same = runs.last().and_then(|run| run.first()).is_some_and(|first| {
                (first.summary.keyspace, first.level, first.run)
                    == (placed.summary.keyspace, placed.level, placed.run)
            });
            if same {
                runs.last_mut().expect("invariant: there is a run").push(placed);
            } else {
                runs.push(vec![placed]);
            }
        }
        for run in runs.iter().rev() {
            for placed in run {
                version.add_segment(placed.level, placed.run, opener.segment(placed)?)?;
            }
        }
        version.check_order().map_err(|error| match error {
            Error::Corruption(_) => error.at(|| "manifest".to_owned()),
            other => other,
        })?;
        Ok(version)
    }
}

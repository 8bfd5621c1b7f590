//! [`NameFilter`]: which names of groups a walk over them wants, decided by whoever asks.
//!
//! Cursors show a filter one key after the other and obey its [`Look`]; [`NameCursor`](super::NameCursor) gives each source a filter of
//! its own. The storage core knows nothing of what names mean. Invariant: keys ascend from call to call, those included that were leapt
//! over. Cost: one call a name.

use super::error::Result;

/// Looks at ascending names of groups, or at keys that begin with them.
///
/// [`Reader::names`](super::Reader::names) has an example.
pub trait NameFilter: Send {
    /// Decides about `key`, a name or a key of its group. So many as `shared` of its first bytes are those of the key before; more
    /// of them may be.
    ///
    /// # Errors
    /// Corruption when it is no key of its owner's.
    fn look(&mut self, key: &[u8], shared: usize) -> Result<Look>;
}

/// What a [`NameFilter`] wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// This name, which is the first so many bytes of what was looked at.
    Take(usize),
    /// The next one.
    Pass,
    /// None before this key.
    Leap(Vec<u8>),
    /// None any more.
    End,
}

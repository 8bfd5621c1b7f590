//! Tokenizers and filters that a program brings along, by name.
//!
//! A program registers them before it opens a database whose analyzers name them; [`Analyzer::new`](super::Analyzer::new) looks
//! them up. The table is the process's, as that of codecs is: what a name stands for must not depend on which database asks, since
//! files, readers, checks and rebuilds all have to mean the same. Invariants: a name is given once and never changes its meaning;
//! a part can neither make an offset or a position wrong nor a term too long, since it is asked for ranges or for the text of a
//! term only, and what it answers is checked. Cost: a lock and a look-up when an analyzer is made, none while it works.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use super::error::AnalyzerError;

/// Passes the byte ranges of a text's words on.
pub(super) type Split = dyn Fn(&str, &mut dyn FnMut(Range<usize>)) + Send + Sync;
/// Writes what a term becomes to an empty string; one that stays empty is left out.
pub(super) type Rewrite = dyn Fn(&str, &mut String) + Send + Sync;

/// A part of a program's own.
pub(super) struct Registered<F: ?Sized> {
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) part: Arc<F>,
}

impl<F: ?Sized> Clone for Registered<F> {
    fn clone(&self) -> Self {
        let Registered { name, version, part } = self;
        Registered { name: name.clone(), version: *version, part: Arc::clone(part) }
    }
}

impl<F: ?Sized> fmt::Debug for Registered<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

type Table<F> = RwLock<BTreeMap<String, Registered<F>>>;

static TOKENIZERS: Table<Split> = RwLock::new(BTreeMap::new());
static FILTERS: Table<Rewrite> = RwLock::new(BTreeMap::new());

/// The longest name.
const NAME_BYTES_MAX: usize = 64;

/// Registers a tokenizer of this program's own for the whole process.
///
/// `split` passes the byte range of every word on, ascending and apart; a range that is empty, cuts a character or begins before the
/// end of the one before it is ignored. It has to be a function of the text alone. `version` is part of the fingerprint: raise it
/// whenever some text is cut differently, so that indexes of before are rebuilt instead of searched wrongly.
///
/// # Errors
/// [`AnalyzerError::Name`] for a name that is there already, is empty, has more than 64 bytes, or other characters than ASCII letters,
/// digits, `-`, `_` and `.`.
///
/// ```
/// use alluvium::{Analyzer, AnalyzerOptions, Tokenizer, register_tokenizer};
///
/// register_tokenizer("doc-csv", 1, |text, word| {
///     let mut start = 0;
///     for cell in text.split(';') {
///         word(start..start + cell.len());
///         start += cell.len() + 1;
///     }
/// })?;
/// let options = AnalyzerOptions::default().tokenizer(Tokenizer::custom("doc-csv"));
/// assert_eq!(Analyzer::new(&options)?.terms("New York;Rome"), ["new york", "rome"]);
/// # Ok::<(), alluvium::AnalyzerError>(())
/// ```
pub fn register_tokenizer(
    name: &str,
    version: u32,
    split: impl Fn(&str, &mut dyn FnMut(Range<usize>)) + Send + Sync + 'static,
) -> Result<(), AnalyzerError> {
    register(&TOKENIZERS, Registered { name: name.to_owned(), version, part: Arc::new(split) })
}

/// Registers a filter of this program's own for the whole process.
///
/// `rewrite` is given a term, normalised and perhaps stemmed, and writes what becomes of it to an empty string. A term for which it
/// writes nothing is left out, and its position stays counted; what is longer than
/// [`TOKEN_BYTES_MAX`](crate::fts::TOKEN_BYTES_MAX) is cut. It has to be a function of the term alone; `version` is as of
/// [`register_tokenizer`].
///
/// # Errors
/// As of [`register_tokenizer`].
///
/// ```
/// use alluvium::{Analyzer, AnalyzerOptions, register_filter};
///
/// register_filter("doc-plural", 1, |term, out| out.push_str(term.strip_suffix('s').unwrap_or(term)))?;
/// let options = AnalyzerOptions::default().filters(["doc-plural"]);
/// assert_eq!(Analyzer::new(&options)?.terms("rivers of gold"), ["river", "of", "gold"]);
/// # Ok::<(), alluvium::AnalyzerError>(())
/// ```
pub fn register_filter(
    name: &str,
    version: u32,
    rewrite: impl Fn(&str, &mut String) + Send + Sync + 'static,
) -> Result<(), AnalyzerError> {
    register(&FILTERS, Registered { name: name.to_owned(), version, part: Arc::new(rewrite) })
}

/// The tokenizer of a name.
pub(super) fn tokenizer(name: &str) -> Result<Registered<Split>, AnalyzerError> {
    find(&TOKENIZERS, "tokenizer", name)
}

/// The filter of a name.
pub(super) fn filter(name: &str) -> Result<Registered<Rewrite>, AnalyzerError> {
    find(&FILTERS, "filter", name)
}

fn register<F: ?Sized>(table: &Table<F>, part: Registered<F>) -> Result<(), AnalyzerError> {
    let refused = |reason| Err(AnalyzerError::Name { name: part.name.clone(), reason });
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if part.name.is_empty() || part.name.len() > NAME_BYTES_MAX || !part.name.chars().all(is_plain)
    {
        return refused("names are 1 to 64 ASCII letters, digits, hyphens, underscores and dots");
    }
    let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
    if table.contains_key(&part.name) {
        return refused("the name is taken, and a name never changes its meaning");
    }
    table.insert(part.name.clone(), part);
    Ok(())
}

fn find<F: ?Sized>(
    table: &Table<F>,
    kind: &'static str,
    name: &str,
) -> Result<Registered<F>, AnalyzerError> {
    let table = table.read().unwrap_or_else(PoisonError::into_inner);
    table.get(name).cloned().ok_or_else(|| AnalyzerError::Unknown {
        kind,
        name: name.to_owned(),
        known: table.keys().cloned().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_once_and_only_what_can_be_one() {
        register_filter("test-once", 1, |term, out| out.push_str(term)).unwrap();
        for name in ["test-once", "", "a b", "ä", &"x".repeat(65)] {
            let refused = register_filter(name, 2, |_, _| {});
            assert!(matches!(refused, Err(AnalyzerError::Name { .. })), "{name}");
        }
        // Tokenizers have names of their own.
        register_tokenizer("test-once", 1, |_, _| {}).unwrap();
        let unknown = filter("test-nobody").unwrap_err();
        assert!(unknown.to_string().contains("test-once"), "{unknown}");
    }
}

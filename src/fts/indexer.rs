//! From a document to the text index: which token of which field stands at which position.
//!
//! [`TextWalker::walk`] is the only walk over a document's text: the [`TextIndexer`] feeds the inverter with it, the deep
//! check and snippets take the same steps, so that all agree. The collection's writer calls the indexer. Documents of a bulk are walked by
//! several [`SideIndexer`]s at once, before their numbers are known; the indexer takes over what they gathered.
//!
//! ```text
//! text 1          gap        text 2            texts: strings in document order, one by one; for `$**` those of the
//! 0 1 2 3   4 … 103 (100)    104 105 …         whole document, for a chosen field those under its path
//! ```
//! * Between two texts of a field lies a gap of [`POSITION_GAP`] positions that no phrase crosses; it does not count as
//!   length. A text without a word takes no positions, and no gap.
//! * An index over `$**` notes the path of every text with a word: the term `path` of the field [`FieldId::PATHS`] gets
//!   the text's first position and the one after its last. Paths longer than [`PATH_BYTES_MAX`] are cut to that.
//! * Removing a document walks its stored text again and subtracts; its postings stay and are masked as dead.
//!
//! Cost: that of the analyzer and of one look-up a token.

use std::collections::BTreeMap;

use super::analysis::{Scratch, Token};
use super::analyzers::Analyzers;
use super::counters::FieldStatistics;
use super::error::{Error, Result};
use super::ids::{DocId, FieldId};
use super::inverter::{Inverter, Part, drain};
use super::keyspace::{IndexKeyspace, statistics_key};
use super::pairs::{Neighbours, Pairs};
use super::postings::CODED_LEN_MAX;
use super::schema::{Field, TextIndexOptions};
use crate::bson::{Path, RawBsonRef, RawDocument, each_string};
use crate::lsm::{self, KeyspaceId, Reader};

/// Positions that are left free between two texts of one field.
pub const POSITION_GAP: u32 = 100;

/// The longest path that the index tells apart, in bytes; longer ones are cut.
pub const PATH_BYTES_MAX: usize = 1024;

/// What a walk over a document's text meets, in this order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TextEvent<'a, 'd> {
    /// A text begins.
    Text {
        /// The field.
        field: FieldId,
        /// Dotted path of the text, without array indexes.
        path: &'a str,
        /// The stored string.
        text: &'d str,
    },
    /// A token of the text that began last.
    Token {
        /// The field.
        field: FieldId,
        /// The token; its position counts from the text's beginning.
        token: Token<'a>,
        /// Its position in the field.
        position: u32,
    },
    /// Two paired words that stand side by side, the second of which is the token before.
    Pair {
        /// The field of pairs.
        field: FieldId,
        /// The pair as a term.
        term: &'a str,
        /// The position of the first in the field.
        position: u32,
    },
    /// The text that began last took positions, in an index over everything.
    Path {
        /// The path as a term, cut if it is long.
        term: &'a str,
        /// The text's first position.
        start: u32,
        /// The position after the text's last.
        end: u32,
    },
    /// A field ends.
    Length {
        /// The field.
        field: FieldId,
        /// Its tokens in this document.
        tokens: u32,
    },
}

/// Keeps one text index up to date inside a pending transaction.
#[derive(Debug)]
pub struct TextIndexer {
    text: KeyspaceId,
    norms: KeyspaceId,
    side: SideIndexer,
    /// What others gathered.
    beside: Vec<Inverter>,
}

/// Gathers the text of documents beside a [`TextIndexer`], which takes it over.
#[derive(Debug)]
pub struct SideIndexer {
    walker: TextWalker,
    inverter: Inverter,
}

/// An index's analyzers and fields, ready to walk documents.
#[derive(Debug)]
pub struct TextWalker {
    analyzers: Analyzers,
    pairs: Pairs,
    fields: Vec<(Field, Option<Path>)>,
    scratch: Scratch,
}

/// Where the next text of a field begins, and how many tokens it had so far.
#[derive(Debug, Clone, Copy, Default)]
struct FieldPlace {
    next: u32,
    tokens: u32,
}

/// `path` as a term of the field [`FieldId::PATHS`].
pub fn path_term(path: &str) -> &str {
    if path.len() <= PATH_BYTES_MAX {
        return path;
    }
    (0..=PATH_BYTES_MAX).rev().find_map(|end| path.get(..end)).unwrap_or_default()
}

impl TextIndexer {
    /// An indexer that writes to the keyspaces `text` and `norms`.
    ///
    /// # Errors
    /// [`Error::InvalidIndex`].
    pub fn new(text: KeyspaceId, norms: KeyspaceId, options: &TextIndexOptions) -> Result<Self> {
        Ok(TextIndexer { text, norms, side: SideIndexer::new(options)?, beside: Vec::new() })
    }

    /// Refuses a document that [`add`](Self::add) would fail for; changes nothing.
    ///
    /// # Errors
    /// [`Error::TooManyPositions`], and [`Error::Document`] for bytes that were not validated.
    pub fn check(&self, document: &RawDocument) -> Result<()> {
        self.side.walker.check(document)
    }

    /// Adds the text of a document; numbers ascend from call to call.
    ///
    /// # Errors
    /// Those of [`check`](Self::check); the transaction has to be rolled back then.
    pub fn add(&mut self, doc: DocId, document: &RawDocument) -> Result<()> {
        self.side.add(doc, document)
    }

    /// Adds what was gathered of documents that were counted from 0, the first of which is `first`.
    pub fn add_beside(&mut self, first: DocId, inverters: impl IntoIterator<Item = Inverter>) {
        self.beside.extend(inverters.into_iter().map(|mut inverter| {
            inverter.shift(first.number());
            inverter
        }));
    }

    /// Subtracts the text of a document that is removed, as it is stored.
    ///
    /// # Errors
    /// Those of [`check`](Self::check); the transaction has to be rolled back then.
    pub fn remove(&mut self, doc: DocId, document: &RawDocument) -> Result<()> {
        let SideIndexer { walker, inverter } = &mut self.side;
        walker.walk(document, &mut |event| match event {
            TextEvent::Text { .. } => Ok(()),
            TextEvent::Token { field, token, .. } => {
                inverter.subtract(field, token.term.as_bytes(), doc)
            }
            TextEvent::Pair { field, term, .. } => inverter.subtract(field, term.as_bytes(), doc),
            TextEvent::Path { term, .. } => {
                inverter.subtract(FieldId::PATHS, term.as_bytes(), doc)?;
                inverter.subtract(FieldId::PATHS, term.as_bytes(), doc)
            }
            TextEvent::Length { field, tokens } => {
                inverter.subtract_length(field, tokens);
                Ok(())
            }
        })
    }

    /// Bytes of memory that wait to be drained.
    pub fn bytes(&self) -> usize {
        self.inverters().map(Inverter::bytes).sum()
    }

    fn inverters(&self) -> impl Iterator<Item = &Inverter> {
        self.beside.iter().chain([&self.side.inverter]).filter(|inverter| !inverter.is_empty())
    }

    /// Writes what has gathered into the transaction, so that its searches see it and its commit keeps it.
    ///
    /// # Errors
    /// Those of [`lsm::Transaction::merge`]; the transaction has to be rolled back then.
    pub fn drain(&mut self, transaction: &mut lsm::Transaction) -> Result<()> {
        let mut before = BTreeMap::new();
        let mut lens: BTreeMap<FieldId, usize> = BTreeMap::new();
        for (field, len) in self.inverters().flat_map(Inverter::field_lens) {
            *lens.entry(field).or_default() += len;
        }
        // Only long lists have impacts, which depend on the average length.
        for (field, _) in lens.into_iter().filter(|&(_, len)| len > CODED_LEN_MAX) {
            if let Some(known) = transaction.get(self.norms, &statistics_key(field))? {
                before.insert(field, FieldStatistics::decode(&known)?);
            }
        }
        let mut beside = std::mem::take(&mut self.beside);
        let all = beside.iter_mut().chain([&mut self.side.inverter]);
        let mut inverters: Vec<_> = all.filter(|inverter| !inverter.is_empty()).collect();
        drain(&mut inverters, &before, &mut |Part { keyspace, key, operand }| {
            let keyspace = match keyspace {
                IndexKeyspace::Text => self.text,
                IndexKeyspace::Norms => self.norms,
            };
            Ok(transaction.merge(keyspace, key, operand)?)
        })
    }
}

impl SideIndexer {
    /// An indexer beside that of an index with these options.
    ///
    /// # Errors
    /// [`Error::InvalidIndex`].
    pub fn new(options: &TextIndexOptions) -> Result<Self> {
        Ok(SideIndexer { walker: TextWalker::new(options)?, inverter: Inverter::default() })
    }

    /// Adds the text of a document; numbers ascend from call to call.
    ///
    /// # Errors
    /// [`Error::TooManyPositions`], and [`Error::Document`] for bytes that were not validated.
    pub fn add(&mut self, doc: DocId, document: &RawDocument) -> Result<()> {
        let inverter = &mut self.inverter;
        self.walker.walk(document, &mut |event| match event {
            TextEvent::Text { .. } => Ok(()),
            TextEvent::Token { field, token, position } => {
                inverter.add(field, token.term.as_bytes(), doc, position)
            }
            TextEvent::Pair { field, term, position } => {
                inverter.add(field, term.as_bytes(), doc, position)
            }
            TextEvent::Path { term, start, end } => {
                inverter.add(FieldId::PATHS, term.as_bytes(), doc, start)?;
                inverter.add(FieldId::PATHS, term.as_bytes(), doc, end)
            }
            TextEvent::Length { field, tokens } => {
                inverter.set_length(field, doc, tokens);
                Ok(())
            }
        })
    }

    /// Takes what has gathered.
    pub fn take(&mut self) -> Inverter {
        std::mem::take(&mut self.inverter)
    }
}

impl TextWalker {
    /// A walker for an index with these options.
    ///
    /// # Errors
    /// [`Error::InvalidIndex`].
    pub fn new(options: &TextIndexOptions) -> Result<Self> {
        options.check()?;
        let with_path = |field: Field| {
            let path = field.path.as_deref().map(Path::parse).transpose()?;
            Ok((field, path))
        };
        let analyzers = Analyzers::new(options)?;
        Ok(TextWalker {
            pairs: Pairs::new(options, &analyzers),
            analyzers,
            fields: options.fields().into_iter().map(with_path).collect::<Result<_>>()?,
            scratch: Scratch::default(),
        })
    }

    /// The analyzers.
    pub fn analyzers(&self) -> &Analyzers {
        &self.analyzers
    }

    /// The pairs of words.
    pub fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// Refuses a document whose text cannot be numbered, without analyzing it.
    ///
    /// # Errors
    /// [`Error::TooManyPositions`], and [`Error::Document`] for bytes that were not validated.
    pub fn check(&self, document: &RawDocument) -> Result<()> {
        for (_, path) in &self.fields {
            // A word takes a byte or more.
            let mut positions = 0_u64;
            each_text(path.as_ref(), document, &mut |_, text| {
                positions += text.len() as u64 + u64::from(POSITION_GAP);
                Ok(())
            })?;
            if positions > u64::from(u32::MAX) {
                return Err(Error::TooManyPositions);
            }
        }
        Ok(())
    }

    /// Passes to `visit` all that the index has to know about a document.
    ///
    /// # Errors
    /// [`Error::TooManyPositions`], [`Error::Document`] for bytes that were not validated, and those of `visit`.
    pub fn walk<'d>(
        &mut self,
        document: &'d RawDocument,
        visit: &mut impl FnMut(TextEvent<'_, 'd>) -> Result<()>,
    ) -> Result<()> {
        let TextWalker { analyzers, pairs, fields, scratch } = self;
        let language = analyzers.language_of(document)?;
        for (Field { id: field, .. }, chosen) in fields {
            let field = *field;
            let analyzer = analyzers.of(field, language);
            let paired = pairs.in_field(field);
            let (mut place, mut neighbours) = (FieldPlace::default(), Neighbours::default());
            each_text(chosen.as_ref(), document, &mut |path, text| {
                visit(TextEvent::Text { field, path, text })?;
                let start = place.next;
                // Written to when something fails only: an error is large, and tokens are many.
                let mut failed = None;
                let positions = analyzer.analyze_with(scratch, text, &mut |token| {
                    if failed.is_some() {
                        return;
                    }
                    let Some(position) = place.token(token.position) else {
                        failed = Some(Error::TooManyPositions);
                        return;
                    };
                    if let Err(error) = visit(TextEvent::Token { field, token, position }) {
                        failed = Some(error);
                        return;
                    }
                    if let Some(paired) = paired
                        && let Some((term, position)) =
                            neighbours.push(paired, token.term, position)
                        && let field = field.of_pairs()
                        && let Err(error) = visit(TextEvent::Pair { field, term, position })
                    {
                        failed = Some(error);
                    }
                });
                if let Some(error) = failed {
                    return Err(error);
                }
                if positions == 0 {
                    return Ok(());
                }
                let end = start.checked_add(positions).ok_or(Error::TooManyPositions)?;
                if chosen.is_none() {
                    visit(TextEvent::Path { term: path_term(path), start, end })?;
                }
                place.next = end.checked_add(POSITION_GAP).ok_or(Error::TooManyPositions)?;
                Ok(())
            })?;
            visit(TextEvent::Length { field, tokens: place.tokens })?;
        }
        Ok(())
    }
}

impl FieldPlace {
    /// Counts a token at `position` of the current text and gives its position in the field, if that has a number.
    fn token(&mut self, position: u32) -> Option<u32> {
        self.tokens += 1;
        self.next.checked_add(position)
    }
}

/// Calls `f(path, text)` with every text under `chosen`, or of the whole document.
fn each_text<'d>(
    chosen: Option<&Path>,
    document: &'d RawDocument,
    f: &mut dyn FnMut(&str, &'d str) -> Result<()>,
) -> Result<()> {
    let Some(chosen) = chosen else { return each_string(document, f) };
    let mut done = Ok(());
    chosen.each_value(document, &mut |value| {
        if let (Ok(()), RawBsonRef::String(text)) = (&done, value) {
            done = f(chosen.as_str(), text);
        }
    })?;
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bson::rawdoc;
    use crate::fts::AnalyzerOptions;

    /// The events of a document, one line each.
    fn events(options: &TextIndexOptions, document: &RawDocument) -> Vec<String> {
        let mut lines = Vec::new();
        let mut walker = TextWalker::new(options).unwrap();
        walker.check(document).unwrap();
        let mut line = |event: TextEvent<'_, '_>| {
            lines.push(match event {
                TextEvent::Text { path, text, .. } => format!("{path}: {text}"),
                TextEvent::Token { field, token, position } => {
                    format!("{field} {} {position}", token.term)
                }
                TextEvent::Pair { field, term, position } => format!("{field} {term} {position}"),
                TextEvent::Path { term, start, end } => format!("{term} {start}..{end}"),
                TextEvent::Length { field, tokens } => format!("{field} has {tokens}"),
            });
            Ok(())
        };
        walker.walk(document, &mut line).unwrap();
        lines
    }

    #[test]
    fn an_index_over_everything_notes_gaps_and_paths() {
        let document = rawdoc! { "_id": "no", "t": "Gold dust", "e": "", "l": ["river", "sand"] };
        let lines = events(&TextIndexOptions::default(), &document);
        let expected = [
            "t: Gold dust",
            "0 gold 0",
            "0 dust 1",
            "t 0..2",
            "e: ",
            "l: river",
            "0 river 102",
            "l 102..103",
            "l: sand",
            "0 sand 203",
            "l 203..204",
            "0 has 4",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn chosen_fields_are_counted_apart_and_have_no_paths() {
        let fields = [("l", 2.0), ("a.b", 1.0)];
        let options = TextIndexOptions::chosen(fields, AnalyzerOptions::default());
        let document = rawdoc! { "a": { "b": "x y", "c": "z" }, "l": ["r s", 7, "t"] };
        let expected = [
            "l: r s", "0 r 0", "0 s 1", "l: t", "0 t 102", "0 has 3", "a.b: x y", "1 x 0", "1 y 1",
            "1 has 2",
        ];
        assert_eq!(events(&options, &document), expected);
        assert_eq!(events(&options, &rawdoc! { "z": "z" }), ["0 has 0", "1 has 0"]);
    }

    #[test]
    fn pairs_come_behind_their_words_and_count_for_nothing() {
        let options = TextIndexOptions::default().paired_words(["is", "a", "the"]);
        let document = rawdoc! { "t": "It is a river", "l": ["is the", "a dam"] };
        let expected = [
            "t: It is a river",
            "0 it 0",
            "0 is 1",
            "0 a 2",
            "32768 is a 1",
            "0 river 3",
            "t 0..4",
            "l: is the",
            "0 is 104",
            "0 the 105",
            "32768 is the 104",
            "l 104..106",
            "l: a dam",
            "0 a 206",
            "0 dam 207",
            "l 206..208",
            "0 has 8",
        ];
        assert_eq!(events(&options, &document), expected);
    }

    #[test]
    fn long_paths_are_cut_on_a_border_of_characters() {
        let path = "ä".repeat(600);
        assert_eq!(path_term(&path).len(), 1024);
        assert_eq!(path_term(&format!("x{path}")).len(), 1023);
        assert_eq!(path_term("a.b"), "a.b");
    }
}

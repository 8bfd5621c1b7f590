//! The query tree: what a search asks for, before anything is known about an index.
//!
//! Built by `parser` from a line of text, or by Rust callers with the constructors of [`Query`]; read by
//! the planner. The tree holds text, not terms: the planner turns it into terms with the analyzer of
//! the index it searches, and decides there whether a field exists. So a tree is plain data that can
//! be printed, compared, stored (serde) and used on any collection.
//!
//! What a clause means
//! * [`Occur::Should`]: the document matches if any `Should` clause matches; each one that does adds to
//!   its score. Beside a `Must` clause they are optional and only add to the score.
//! * [`Occur::Must`]: the document has to match, and the clause adds to its score.
//! * [`Occur::MustNot`]: a document that matches is left out. A query of such clauses alone matches
//!   nothing.
//!
//! A [`Pattern::Words`] whose text gives several terms (`multi-agent`) asks for any of them under
//! `Should`, for all of them under `Must`, and under `MustNot` leaves out only the documents that have
//! them side by side. A pattern that gives no term is ignored.
//!
//! A [`Pattern::Group`] is a query in place of a word: it counts as one clause does, and what is inside scores where the group
//! matches. A group of which nothing is left after analysis is ignored; one that only excludes matches nothing.
//!
//! Deliberately absent: boosts, ranges. [`Pattern`] and [`Clause`] are non-exhaustive so that they can come without
//! breaking callers.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// What a search asks for: a list of clauses.
///
/// [`Query::user`] reads one from a line that a person typed. Programs put one together:
///
/// ```
/// use alluvium::Query;
///
/// let query = Query::word("gold")
///     .must()
///     .with(Query::phrase("river bed").field("title"))
///     .with(Query::word("silver").must_not());
/// assert_eq!(query.to_string(), r#"+gold title:"river bed" -silver"#);
/// assert_eq!(query.clauses.len(), 3);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Query {
    /// The clauses, in the order they were written. Order does not change what matches, nor scores.
    pub clauses: Vec<Clause>,
}

/// One condition of a [`Query`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Clause {
    /// How the clause counts.
    pub occur: Occur,
    /// The dotted path that the text has to be found in, as written; `None` searches everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What to look for.
    pub pattern: Pattern,
    /// The bytes of the query text this clause was read from, operator and field included. Empty when
    /// it was not read from a text.
    #[serde(default, skip_serializing_if = "Range::is_empty")]
    pub span: Range<usize>,
}

/// How a clause counts; see the meaning of each in the [`Query`] language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occur {
    /// At least one such clause has to match (none, if there is a `Must`); each adds to the score.
    Should,
    /// Has to match.
    Must,
    /// Has to not match.
    MustNot,
}

/// What a clause looks for, as text that was not analyzed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pattern {
    /// Words in any order.
    Words(String),
    /// Words side by side in this order.
    Phrase(String),
    /// A query of its own. The clause's field is that of the clauses inside that have none.
    Group(Query),
}

impl Query {
    /// Documents with any of the words in `text`, usually one; more of them score higher.
    ///
    /// ```
    /// # use alluvium::Query;
    /// assert_eq!(Query::word("gold").to_string(), "gold");
    /// ```
    pub fn word(text: impl Into<String>) -> Self {
        Self::one(Occur::Should, Pattern::Words(text.into()))
    }

    /// Documents with every word in `text`, in any order.
    ///
    /// ```
    /// # use alluvium::Query;
    /// assert_eq!(Query::all_words("gold river").to_string(), "+gold +river");
    /// ```
    pub fn all_words(text: impl Into<String>) -> Self {
        Self::one(Occur::Must, Pattern::Words(text.into()))
    }

    /// Documents with the words of `text` side by side in this order.
    ///
    /// ```
    /// # use alluvium::Query;
    /// assert_eq!(Query::phrase("river bed").to_string(), r#""river bed""#);
    /// ```
    pub fn phrase(text: impl Into<String>) -> Self {
        Self::one(Occur::Should, Pattern::Phrase(text.into()))
    }

    /// The same clauses, required; what was excluded stays excluded.
    ///
    /// ```
    /// # use alluvium::Query;
    /// assert_eq!(Query::phrase("river bed").must().to_string(), r#"+"river bed""#);
    /// ```
    pub fn must(mut self) -> Self {
        for clause in &mut self.clauses {
            if clause.occur == Occur::Should {
                clause.occur = Occur::Must;
            }
        }
        self
    }

    /// Leaves out what matches any of these clauses.
    ///
    /// ```
    /// # use alluvium::Query;
    /// let query = Query::word("gold").with(Query::word("fool").must_not());
    /// assert_eq!(query.to_string(), "gold -fool");
    /// ```
    pub fn must_not(mut self) -> Self {
        for clause in &mut self.clauses {
            clause.occur = Occur::MustNot;
        }
        self
    }

    /// These clauses as one, which counts as a word does. Groups nest up to 32 deep; what is deeper is dropped with a warning.
    ///
    /// ```
    /// # use alluvium::Query;
    /// let metal = Query::word("gold").with(Query::word("silver")).grouped();
    /// let query = metal.must().with(Query::word("river"));
    /// assert_eq!(query.to_string(), "+(gold silver) river");
    /// ```
    pub fn grouped(self) -> Self {
        Self::one(Occur::Should, Pattern::Group(self))
    }

    /// Looks for these clauses in the values at `path` (dotted) only.
    ///
    /// ```
    /// # use alluvium::Query;
    /// assert_eq!(Query::word("Marshall").field("author.name").to_string(), "author.name:Marshall");
    /// ```
    pub fn field(mut self, path: &str) -> Self {
        for clause in &mut self.clauses {
            clause.field = Some(path.to_owned());
        }
        self
    }

    /// These clauses and those of `other`, as one query.
    ///
    /// ```
    /// # use alluvium::Query;
    /// let query = Query::word("gold").with(Query::word("river").must());
    /// assert_eq!(query.to_string(), "gold +river");
    /// ```
    pub fn with(mut self, other: impl Into<Self>) -> Self {
        self.clauses.extend(other.into().clauses);
        self
    }

    /// Whether there is no clause at all; such a query matches nothing.
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// Whether some clause asks for something, rather than only leaving things out.
    pub fn asks_for_something(&self) -> bool {
        self.clauses.iter().any(|clause| clause.occur != Occur::MustNot)
    }

    fn one(occur: Occur, pattern: Pattern) -> Self {
        Self { clauses: vec![Clause { occur, field: None, pattern, span: 0..0 }] }
    }
}

impl Clause {
    /// The clause to search instead when the collection has no such field: `note:gold` becomes the
    /// words `note gold`, and `note:"river bed"` the phrase everywhere. Without a field: the clause.
    ///
    /// ```
    /// # use alluvium::{Pattern, Query};
    /// let query = Query::user("note:gold").query;
    /// let plain = query.clauses[0].without_field();
    /// assert_eq!(plain.pattern, Pattern::Words("note gold".to_owned()));
    /// assert_eq!((plain.field, plain.span), (None, 0..9));
    /// ```
    pub fn without_field(&self) -> Self {
        let pattern = match (&self.field, &self.pattern) {
            (Some(field), Pattern::Words(text)) => Pattern::Words(format!("{field} {text}")),
            (_, pattern) => pattern.clone(),
        };
        Self { occur: self.occur, field: None, pattern, span: self.span.clone() }
    }
}

impl Pattern {
    /// The text, before analysis; a group has none of its own.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Words(text) | Self::Phrase(text) => Some(text),
            Self::Group(_) => None,
        }
    }
}

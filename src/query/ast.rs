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
//! matches. A group of which nothing is left after analysis is ignored; one that only excludes matches nothing. A [`Pattern::DisMax`] is
//! several such queries of which the best counts; a [`Pattern::Across`] is one whose words are looked for in several fields as in one.
//!
//! Patterns over the words of the index ([`Pattern::Prefix`], [`Pattern::Wildcard`], [`Pattern::Regex`]) match the documents
//! that hold any word that fits, and give each the same score, 1; so do [`Pattern::Range`], [`Pattern::All`] and [`Pattern::Filter`]. [`Pattern::Fuzzy`] stands for the words that come nearest,
//! which score as one word does, the less the further they are. [`Weight`] says what else a clause counts.
//!
//! [`Pattern`] and [`Clause`] are non-exhaustive so that more can come without breaking callers.

use std::ops::{Bound, Range};

use serde::{Deserialize, Serialize};

use crate::bson::Document;

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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Query {
    /// The clauses, in the order they were written. Order does not change what matches, nor scores.
    pub clauses: Vec<Clause>,
}

/// One condition of a [`Query`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Clause {
    /// How the clause counts.
    pub occur: Occur,
    /// The dotted path that the text has to be found in, as written; `None` searches everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What to look for.
    pub pattern: Pattern,
    /// What the clause counts in the score.
    #[serde(default, skip_serializing_if = "Weight::is_plain")]
    pub weight: Weight,
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

/// What a clause counts in the score of a document that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Its own score times this, from 0 to [`Weight::MAX`]; 1 where nothing was said.
    Boost(f32),
    /// This score, from 0 to [`Weight::MAX`], however well the document matches.
    Constant(f32),
}

/// What a clause looks for, as text that was not analyzed yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pattern {
    /// Words in any order.
    Words(String),
    /// Words in this order, side by side or with at most `slop` other words between them, all gaps together.
    Phrase {
        /// The words.
        text: String,
        /// How many other words may stand between them.
        #[serde(default)]
        slop: u32,
    },
    /// Words in any order, with at most `distance` other words between the first and the last of them.
    Near {
        /// The words.
        text: String,
        /// How many other words may stand between them.
        distance: u32,
    },
    /// A word that begins like this.
    Prefix(String),
    /// A word in which `?` stands for one character and `*` for any number of them; `\` takes the meaning from the next.
    Wildcard(String),
    /// A word that comes of this one by at most `distance` (0 to 2) insertions, deletions, replacements and exchanges of
    /// neighbours.
    Fuzzy {
        /// The word.
        text: String,
        /// How many characters may differ.
        distance: u8,
        /// Whether it is enough that the beginning of a word comes near.
        #[serde(default)]
        prefix: bool,
    },
    /// Words, or what may have been meant by them: see [`Query::user_with`].
    Similar {
        /// The words.
        text: String,
        /// Whether they may be misspelt: one difference in words of 4 to 7 characters, two in longer ones, none where a digit is.
        /// Differences are those of [`Fuzzy`](Self::Fuzzy), and another first character counts as two.
        #[serde(default)]
        typos: bool,
        /// Whether the last of them may be the beginning of a word.
        #[serde(default)]
        prefix: bool,
    },
    /// A word that this regular expression matches from its first to its last character.
    Regex(String),
    /// A value, of any type, between two. A bound is compared with numbers as a number, with dates as a date, where it is
    /// one, and with strings as it is written. Needs a field.
    Range {
        /// From which value on.
        lower: Bound<String>,
        /// Up to which value.
        upper: Bound<String>,
    },
    /// Every document; of a field, those that have a value there that is not null.
    All,
    /// The documents that a filter lets through, in the language of `docs/filters.md`.
    Filter(Document),
    /// A query of its own. The clause's field is that of the clauses inside that have none.
    Group(Query),
    /// A query of its own, whose words, phrases and words near each other are looked for in some fields as if these were one, where
    /// they have no field of their own.
    Across {
        /// The fields; none for all of the index.
        fields: Vec<String>,
        /// The query.
        query: Query,
    },
    /// Several queries, each as in a group: a document that matches one of them gets its highest score from them, and a part of
    /// the others.
    DisMax {
        /// The queries.
        queries: Vec<Query>,
        /// Which part of the scores that are not the highest is added, from 0 to 1.
        #[serde(default)]
        tie_breaker: f32,
    },
}

impl Weight {
    /// The highest boost and the highest constant score.
    pub const MAX: f32 = 1_000_000.0;

    /// Whether nothing was said: a boost of 1.
    pub fn is_plain(&self) -> bool {
        *self == Weight::default()
    }
}

impl Default for Weight {
    fn default() -> Self {
        Weight::Boost(1.0)
    }
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
        Self::one(Occur::Should, Pattern::Phrase { text: text.into(), slop: 0 })
    }

    /// Documents with the words of `text` in any order, with at most `distance` other words between them.
    ///
    /// ```
    /// # use alluvium::Query;
    /// assert_eq!(Query::near("river gold", 3).to_string(), "NEAR(river gold, 3)");
    /// ```
    pub fn near(text: impl Into<String>, distance: u32) -> Self {
        Self::one(Occur::Should, Pattern::Near { text: text.into(), distance })
    }

    /// Documents with a word that begins with `text`.
    ///
    /// ```
    /// # use alluvium::Query;
    /// assert_eq!(Query::prefix("gol").to_string(), "gol*");
    /// ```
    pub fn prefix(text: impl Into<String>) -> Self {
        Self::one(Occur::Should, Pattern::Prefix(text.into()))
    }

    /// Documents with a word like `pattern`, in which `?` is one character and `*` any number of them.
    ///
    /// ```
    /// # use alluvium::Query;
    /// assert_eq!(Query::wildcard("g?ld*").to_string(), "g?ld*");
    /// ```
    pub fn wildcard(pattern: impl Into<String>) -> Self {
        Self::one(Occur::Should, Pattern::Wildcard(pattern.into()))
    }

    /// Documents with a word that differs from `text` in at most `distance` characters, 2 at most.
    ///
    /// ```
    /// # use alluvium::Query;
    /// assert_eq!(Query::fuzzy("rivr", 1).to_string(), "rivr~1");
    /// ```
    pub fn fuzzy(text: impl Into<String>, distance: u8) -> Self {
        Self::one(Occur::Should, Pattern::Fuzzy { text: text.into(), distance, prefix: false })
    }

    /// Documents with a word that the regular expression matches as a whole.
    ///
    /// ```
    /// # use alluvium::Query;
    /// assert_eq!(Query::regex("gr[ae]y").to_string(), "/gr[ae]y/");
    /// ```
    pub fn regex(pattern: impl Into<String>) -> Self {
        Self::one(Occur::Should, Pattern::Regex(pattern.into()))
    }

    /// Every document.
    ///
    /// ```
    /// # use alluvium::Query;
    /// let query = Query::all().with(Query::word("gold").must_not());
    /// assert_eq!(query.to_string(), "* -gold");
    /// ```
    pub fn all() -> Self {
        Self::one(Occur::Should, Pattern::All)
    }

    /// The documents that `filter` lets through: see the [language](crate::bson::Filter). No text says it.
    ///
    /// ```
    /// use alluvium::{Query, doc};
    ///
    /// let recent = Query::filter(doc! { "year": { "$gte": 1990 } }).must().boost(0.0);
    /// let query = Query::word("gold").must().with(recent);
    /// assert_eq!(query.clauses.len(), 2);
    /// ```
    pub fn filter(filter: Document) -> Self {
        Self::one(Occur::Should, Pattern::Filter(filter))
    }

    /// Lets at most `slop` other words stand between the words of these phrases.
    ///
    /// ```
    /// # use alluvium::Query;
    /// assert_eq!(Query::phrase("river bed").slop(2).to_string(), r#""river bed"~2"#);
    /// ```
    pub fn slop(mut self, words: u32) -> Self {
        for clause in &mut self.clauses {
            if let Pattern::Phrase { slop, .. } = &mut clause.pattern {
                *slop = words;
            }
        }
        self
    }

    /// Multiplies what these clauses score by `factor`, from 0 to [`Weight::MAX`].
    ///
    /// ```
    /// # use alluvium::Query;
    /// assert_eq!(Query::word("gold").boost(2.5).to_string(), "gold^2.5");
    /// ```
    pub fn boost(mut self, factor: f32) -> Self {
        for clause in &mut self.clauses {
            clause.weight = match clause.weight {
                Weight::Boost(boost) => Weight::Boost(boost * factor),
                Weight::Constant(score) => Weight::Constant(score * factor),
            };
        }
        self
    }

    /// Lets each of these clauses score `score`, from 0 to [`Weight::MAX`], wherever it matches.
    ///
    /// ```
    /// # use alluvium::Query;
    /// assert_eq!(Query::word("gold").constant(1.0).to_string(), "gold^=1");
    /// ```
    pub fn constant(mut self, score: f32) -> Self {
        for clause in &mut self.clauses {
            clause.weight = Weight::Constant(score);
        }
        self
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

    /// What `query` asks for, with words looked for in all of `fields` as if these were one: BM25F. How often a word occurs is added up over
    /// the fields, each with its weight in the index and by its own length, and then scored once, by how many documents have the word in
    /// any of them. So `+gold +river` finds documents with one word in the title and the other in the body, and a word that is rare in
    /// titles alone does not outweigh others. Without fields all of the index are meant. No text says it.
    ///
    /// ```
    /// use alluvium::{AnalyzerOptions, CollectionOptions, Database, Query, TextIndexOptions, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let fields = [("title", 3.0), ("body", 1.0)];
    /// let index = TextIndexOptions::chosen(fields, AnalyzerOptions::default());
    /// let notes = db.create_collection("notes", &CollectionOptions::new().text_index(index))?;
    /// notes.insert(doc! { "_id": 1, "title": "Rivers", "body": "Gold settles where the rivers slow." })?;
    /// let query = Query::across(["title", "body"], Query::all_words("gold rivers"));
    /// assert_eq!(notes.search(query)?.count()?, 1);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn across<F: Into<String>>(
        fields: impl IntoIterator<Item = F>,
        query: impl Into<Self>,
    ) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        Self::one(Occur::Should, Pattern::Across { fields, query: query.into() })
    }

    /// Documents that match any of `queries`. Each scores by itself; the highest of their scores counts, and `tie_breaker` times the
    /// sum of the others, from 0 (the best alone) to 1 (all of them). So a word that stands in several fields counts where it fits
    /// best, and does not outweigh the other words. No text says it.
    ///
    /// ```
    /// use alluvium::{Database, Query, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.collection("notes")?;
    /// notes.insert_many([
    ///     doc! { "_id": 1, "title": "Rivers", "body": "Gold settles where the river slows." },
    ///     doc! { "_id": 2, "title": "Gold", "body": "Gold, gold, gold." },
    /// ])?;
    /// let best_field = |word| {
    ///     Query::dis_max(["title", "body"].map(|field| Query::word(word).field(field)), 0.1)
    /// };
    /// let mut hits = notes.search(best_field("gold").with(best_field("river")))?.run()?;
    /// assert_eq!(hits.next().unwrap().id()?, 1.into());
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn dis_max<Q: Into<Self>>(queries: impl IntoIterator<Item = Q>, tie_breaker: f32) -> Self {
        let queries = queries.into_iter().map(Into::into).collect();
        Self::one(Occur::Should, Pattern::DisMax { queries, tie_breaker })
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
        Self {
            clauses: vec![Clause {
                occur,
                field: None,
                pattern,
                weight: Weight::default(),
                span: 0..0,
            }],
        }
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
            (Some(field), &Pattern::Similar { ref text, typos, prefix }) => {
                Pattern::Similar { text: format!("{field} {text}"), typos, prefix }
            }
            (_, pattern) => pattern.clone(),
        };
        Self { field: None, pattern, ..self.clone() }
    }
}

impl Pattern {
    /// The text, before analysis; ranges, filters, groups, alternatives and the pattern for all documents have none of their own.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Words(text)
            | Self::Phrase { text, .. }
            | Self::Near { text, .. }
            | Self::Prefix(text)
            | Self::Wildcard(text)
            | Self::Fuzzy { text, .. }
            | Self::Similar { text, .. }
            | Self::Regex(text) => Some(text),
            Self::Range { .. }
            | Self::All
            | Self::Filter(_)
            | Self::Group(_)
            | Self::Across { .. }
            | Self::DisMax { .. } => None,
        }
    }
}

//! Queries as data that every engine turns into its own, and the files they stand in.
//!
//! A line is a query in the form of our language and of the search benchmark game: `gold river` (any of them), `+gold
//! +river` (both), `"river bed"` (side by side), `+gold river` (`gold`, better with `river`), `gold -silver` (without). A
//! line may also be an object with a member `query`, as the game's file has them. What stands for words is a query of its own:
//! `gol*` (words that begin so), `g?ld*` (`?` is one character), `gild~1` (at most one character differs). A query's [`Class`]
//! follows from its form. Words are reduced as the documents are; what is not one word then is an error, because engines would differ.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::corpus::reduce;
use crate::Result;

/// What a query's form makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// One word.
    Term,
    /// Any of several.
    Union,
    /// All of several.
    Intersection,
    /// Words side by side, nothing else.
    Phrase,
    /// Some required, some optional.
    MustShould,
    /// Something is excluded.
    Negated,
    /// Words that begin alike.
    Prefix,
    /// Words that are alike in other ways.
    Wildcard,
    /// Words that differ in one character.
    Fuzzy1,
    /// Words that differ in two.
    Fuzzy2,
}

impl Class {
    pub(crate) const ALL: &[Class] = &[
        Class::Term,
        Class::Union,
        Class::Intersection,
        Class::Phrase,
        Class::MustShould,
        Class::Negated,
        Class::Prefix,
        Class::Wildcard,
        Class::Fuzzy1,
        Class::Fuzzy2,
    ];

    /// Those of words, as the search benchmark game has them.
    pub(crate) const OF_WORDS: &[Class] = Class::ALL.split_at(6).0;

    /// Those of what stands for words.
    pub(crate) const OF_PATTERNS: &[Class] = Class::ALL.split_at(6).1;

    /// Whether all engines score such queries alike. What stands for words scores a constant, of words that differ in some engines
    /// the more the less they differ.
    pub(crate) fn has_common_scores(self) -> bool {
        Class::OF_WORDS.contains(&self)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Term => "term",
            Class::Union => "union",
            Class::Intersection => "intersection",
            Class::Phrase => "phrase",
            Class::MustShould => "must_should",
            Class::Negated => "negated",
            Class::Prefix => "prefix",
            Class::Wildcard => "wildcard",
            Class::Fuzzy1 => "fuzzy1",
            Class::Fuzzy2 => "fuzzy2",
        }
    }
}

/// How a clause counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occur {
    Should,
    Must,
    MustNot,
}

/// A word, or several side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) occur: Occur,
    /// At least one; of a pattern the one that it is.
    pub(crate) words: Vec<String>,
}

/// What a query of words that stand for others is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern<'q> {
    /// How the words begin.
    Prefix(&'q str),
    /// In which `?` is a character and `*` any number of them.
    Wildcard(&'q str),
    /// A word, and in how many characters others may differ.
    Fuzzy(&'q str, u8),
}

/// A query, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// As it was written.
    pub(crate) text: String,
    pub(crate) class: Class,
    /// At least one, and not all of them excluded.
    pub(crate) clauses: Vec<Clause>,
}

/// A line of the search benchmark game; other members are ignored.
#[derive(Deserialize)]
struct GameLine {
    query: String,
}

impl Query {
    /// Takes a line apart.
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let text = line.trim();
        if let Some(class) = pattern_class(text) {
            let word = reduce(text.trim_end_matches(['*', '~', '1', '2']));
            let clause = Clause { occur: Occur::Should, words: vec![word] };
            return Ok(Query { text: text.to_owned(), class, clauses: vec![clause] });
        }
        let wrong = |what: &str| format!("the query {text:?} {what}");
        let (mut clauses, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let (occur, body) = match rest.split_at_checked(1) {
                Some(("+", body)) => (Occur::Must, body),
                Some(("-", body)) => (Occur::MustNot, body),
                _ => (Occur::Should, rest),
            };
            let (words, after) = if let Some(quoted) = body.strip_prefix('"') {
                quoted.split_once('"').ok_or_else(|| wrong("lacks a closing quote"))?
            } else {
                let end = body.find(char::is_whitespace).unwrap_or(body.len());
                let (word, after) = body.split_at(end);
                if reduce(word).split(' ').count() != 1 {
                    return Err(wrong("has something that is several words; quote them").into());
                }
                (word, after)
            };
            let words = reduce(words);
            if words.is_empty() {
                return Err(wrong("has a clause without a word").into());
            }
            clauses.push(Clause { occur, words: words.split(' ').map(str::to_owned).collect() });
            rest = after.trim_start();
        }
        let class = class_of(&clauses).ok_or_else(|| wrong("asks for nothing"))?;
        Ok(Query { text: text.to_owned(), class, clauses })
    }

    /// What stands for words, where that is the query.
    pub(crate) fn pattern(&self) -> Option<Pattern<'_>> {
        let word = self.clauses.first().and_then(|clause| clause.words.first())?;
        match self.class {
            Class::Prefix => Some(Pattern::Prefix(word)),
            Class::Wildcard => Some(Pattern::Wildcard(&self.text)),
            Class::Fuzzy1 => Some(Pattern::Fuzzy(word, 1)),
            Class::Fuzzy2 => Some(Pattern::Fuzzy(word, 2)),
            _ => None,
        }
    }

    /// The clauses that count so.
    pub(crate) fn clauses(&self, occur: Occur) -> impl Iterator<Item = &Clause> {
        self.clauses.iter().filter(move |clause| clause.occur == occur)
    }
}

/// The class of a query that is one pattern.
fn pattern_class(text: &str) -> Option<Class> {
    let is_word = |text: &str| !text.is_empty() && text.chars().all(char::is_alphanumeric);
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '*' | '?');
    if text.strip_suffix('*').is_some_and(is_word) {
        Some(Class::Prefix)
    } else if text.strip_suffix("~1").is_some_and(is_word) {
        Some(Class::Fuzzy1)
    } else if text.strip_suffix("~2").is_some_and(is_word) {
        Some(Class::Fuzzy2)
    } else if text.contains(['*', '?']) && text.chars().all(is_part) {
        Some(Class::Wildcard)
    } else {
        None
    }
}

/// The class that the form of a query makes; `None` when nothing is asked for.
fn class_of(clauses: &[Clause]) -> Option<Class> {
    let count = |occur| clauses.iter().filter(|clause| clause.occur == occur).count();
    let has_phrase = clauses.iter().any(|clause| clause.words.len() > 1);
    match (count(Occur::Must), count(Occur::Should), count(Occur::MustNot)) {
        (0, 0, _) => None,
        (_, _, 1..) => Some(Class::Negated),
        (1, 0, _) | (0, 1, _) => Some(if has_phrase { Class::Phrase } else { Class::Term }),
        (0, ..) => Some(Class::Union),
        (_, 0, _) => Some(Class::Intersection),
        _ => Some(Class::MustShould),
    }
}

/// Reads a file of queries, one a line; empty lines are skipped.
pub(crate) fn read(path: &Path) -> Result<Vec<Query>> {
    let wrong = |what: String| format!("{}: {what}", path.display());
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let mut queries = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let in_line = |error: Box<dyn std::error::Error + Send + Sync>| {
            wrong(format!("line {number}: {error}"))
        };
        let line = if line.starts_with('{') {
            let game: GameLine =
                serde_json::from_str(line).map_err(|error| in_line(error.into()))?;
            game.query
        } else {
            line.to_owned()
        };
        queries.push(Query::parse(&line).map_err(in_line)?);
    }
    if queries.is_empty() {
        return Err(wrong("there is no query".to_owned()).into());
    }
    Ok(queries)
}

/// Writes queries as [`read`] reads them.
pub(crate) fn write(path: &Path, queries: &[Query]) -> Result<()> {
    let lines: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
    fs::write(path, lines.join("\n") + "\n")
        .map_err(|error| format!("{}: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_follows_from_the_form() {
        for (line, class) in [
            ("gold", Class::Term),
            ("+gold", Class::Term),
            ("gold river", Class::Union),
            ("\"river bed\" gold", Class::Union),
            ("+gold +river", Class::Intersection),
            ("\"river bed\"", Class::Phrase),
            ("+gold river sand", Class::MustShould),
            ("gold river -silver", Class::Negated),
            ("+gold -\"river bed\"", Class::Negated),
            ("gol*", Class::Prefix),
            ("g?ld*", Class::Wildcard),
            ("*ld", Class::Wildcard),
            ("gild~1", Class::Fuzzy1),
            ("gild~2", Class::Fuzzy2),
        ] {
            assert_eq!(Query::parse(line).unwrap().class, class, "{line}");
        }
    }

    #[test]
    fn patterns_are_told_from_their_signs() {
        for (line, pattern) in [
            ("gol*", Some(Pattern::Prefix("gol"))),
            ("g?ld*", Some(Pattern::Wildcard("g?ld*"))),
            ("gild~2", Some(Pattern::Fuzzy("gild", 2))),
            ("gold", None),
        ] {
            assert_eq!(Query::parse(line).unwrap().pattern(), pattern, "{line}");
        }
    }

    #[test]
    fn clauses_are_read_with_their_operators_and_reduced() {
        let query = Query::parse(" +Gold  \"River  Bed\"-SILVER ").unwrap();
        let clauses: Vec<_> =
            query.clauses.iter().map(|clause| (clause.occur, clause.words.join(" "))).collect();
        let expected = [
            (Occur::Must, "gold".to_owned()),
            (Occur::Should, "river bed".to_owned()),
            (Occur::MustNot, "silver".to_owned()),
        ];
        assert_eq!(clauses, expected);
    }

    #[test]
    fn what_engines_would_not_read_alike_is_refused() {
        for (line, reason) in [
            ("", "asks for nothing"),
            ("-gold", "asks for nothing"),
            ("don't", "several words"),
            ("\"river bed", "closing quote"),
            ("gold ++", "without a word"),
        ] {
            let error = Query::parse(line).unwrap_err().to_string();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }

    #[test]
    fn files_of_ours_and_of_the_game_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queries");
        fs::write(&path, "{\"query\": \"+a +b\", \"tags\": []}\n\n\"c d\"\n").unwrap();
        let queries = read(&path).unwrap();
        assert_eq!(
            queries.iter().map(|query| query.text.as_str()).collect::<Vec<_>>(),
            ["+a +b", "\"c d\""]
        );
        write(&path, &queries).unwrap();
        assert_eq!(read(&path).unwrap(), queries);
        fs::write(&path, "a\n-b\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("line 2"));
    }
}

//! Runs: what an engine answered to every query of a test collection.
//!
//! Filled by whoever asks the queries, read and written in the form that `trec_eval` and its
//! relatives exchange, and measured by [`evaluate`](super::evaluate).
//!
//! ```text
//! line := query "Q0" document rank score tag      separated by tabs, or by white space
//! ```
//! **Order.** A run keeps the order that the engine gave: among equal scores an engine has reasons
//! of its own (ours: DocId), and what a person sees first should be measured first. `trec_eval`
//! instead ignores ranks and sorts by score descending, then by document identifier descending;
//! [`Run::into_trec_order`] does the same where numbers must match it on a run with equal scores.
//!
//! Invariants: a query has one ranking; a ranking holds a document once; no score is NaN.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::lines::{self, Lines, fields, quote};

/// One place of a ranking.
///
/// ```
/// let ranked = alluvium::eval::RankedDocument { id: "d1".into(), score: 7.5 };
/// assert_eq!(serde_json::to_string(&ranked)?, r#"{"id":"d1","score":7.5}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedDocument {
    /// The identifier that judgements use.
    pub id: String,
    /// The engine's score; never NaN inside a [`Run`].
    pub score: f64,
}

/// For each query, a ranked list of documents, best first.
///
/// ```
/// use alluvium::eval::Run;
///
/// let mut run = Run::new();
/// run.insert("q1", [("d3", 7.5), ("d1", 2.0)])?;
/// assert_eq!(run.ranking("q1")[0].id, "d3");
/// assert!(run.ranking("q2").is_empty());
/// # Ok::<(), alluvium::eval::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    rankings: BTreeMap<String, Vec<RankedDocument>>,
}

impl Run {
    /// A run without answers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the answer to one query, best document first.
    ///
    /// Scores need not descend: the given order is the ranking.
    ///
    /// # Errors
    /// The query has an answer already, a document appears twice, or a score is NaN. The run is
    /// then unchanged.
    pub fn insert<D: Into<String>>(
        &mut self,
        query: impl Into<String>,
        ranking: impl IntoIterator<Item = (D, f64)>,
    ) -> Result<()> {
        let query = query.into();
        if self.rankings.contains_key(&query) {
            return Err(Error::DuplicateQuery { query });
        }
        let ranking: Vec<RankedDocument> = ranking
            .into_iter()
            .map(|(id, score)| RankedDocument { id: id.into(), score })
            .collect();
        let mut seen = HashSet::with_capacity(ranking.len());
        for document in &ranking {
            if document.score.is_nan() {
                return Err(Error::ScoreNotANumber { query, document: document.id.clone() });
            }
            if !seen.insert(document.id.as_str()) {
                return Err(Error::DuplicateDocument { query, document: document.id.clone() });
            }
        }
        self.rankings.insert(query, ranking);
        Ok(())
    }

    /// The ranking of one query; empty when the run has none.
    pub fn ranking(&self, query: &str) -> &[RankedDocument] {
        self.rankings.get(query).map_or(&[], Vec::as_slice)
    }

    /// Every query with its ranking, in the order of the identifiers' bytes.
    ///
    /// ```
    /// # let mut run = alluvium::eval::Run::new();
    /// # run.insert("q1", [("d1", 1.0), ("d2", 0.5)])?;
    /// for (query, ranking) in run.iter() {
    ///     println!("{query}: {} results", ranking.len());
    /// }
    /// # Ok::<(), alluvium::eval::Error>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[RankedDocument])> {
        self.rankings.iter().map(|(query, ranking)| (query.as_str(), ranking.as_slice()))
    }

    /// The number of queries that have a ranking, empty ones included.
    pub fn len(&self) -> usize {
        self.rankings.len()
    }

    /// Whether no query has a ranking.
    pub fn is_empty(&self) -> bool {
        self.rankings.is_empty()
    }

    /// The same run in `trec_eval`'s order: score descending, then document identifier descending.
    ///
    /// ```
    /// use alluvium::eval::Run;
    ///
    /// let mut run = Run::new();
    /// run.insert("q1", [("d1", 1.0), ("d2", 1.0), ("d0", 3.0)])?;
    /// let run = run.into_trec_order();
    /// let ids: Vec<_> = run.ranking("q1").iter().map(|document| &document.id).collect();
    /// assert_eq!(ids, ["d0", "d2", "d1"]);
    /// # Ok::<(), alluvium::eval::Error>(())
    /// ```
    #[must_use]
    pub fn into_trec_order(mut self) -> Self {
        for ranking in self.rankings.values_mut() {
            // Adding 0.0 makes -0.0 the equal score that it is; total_cmp would part them.
            ranking.sort_by(|left, right| {
                let by_score = (right.score + 0.0).total_cmp(&(left.score + 0.0));
                by_score.then_with(|| right.id.cmp(&left.id))
            });
        }
        self
    }

    /// Reads the run file at `path`; see [`Run::read`].
    ///
    /// ```no_run
    /// let run = alluvium::eval::Run::open("bm25.run")?;
    /// # Ok::<(), alluvium::eval::Error>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::read(lines::open(path.as_ref())?, path.as_ref())
    }

    /// Reads a run of six columns; `path` is only what errors call the input.
    ///
    /// Lines of a query are ordered by their rank column; lines with the same rank keep the order
    /// of the file. The second column and the tag are ignored.
    ///
    /// ```
    /// use alluvium::eval::Run;
    ///
    /// let run = Run::read("q1 Q0 d2 2 0.5 bm25\nq1 Q0 d1 1 0.9 bm25\n".as_bytes(), "bm25.run")?;
    /// assert_eq!(run.ranking("q1")[0].id, "d1");
    /// # Ok::<(), alluvium::eval::Error>(())
    /// ```
    ///
    /// # Errors
    /// A line with another number of columns, an empty identifier, a rank that is not a whole
    /// number, a score that is not a number, or a document that its query has already.
    pub fn read(reader: impl BufRead, path: impl Into<PathBuf>) -> Result<Self> {
        let mut lines = Lines::new(reader, path);
        let mut rankings: BTreeMap<String, Vec<(u64, RankedDocument)>> = BTreeMap::new();
        let mut seen: HashSet<(String, String)> = HashSet::new();
        while let Some(line) = lines.next_line()? {
            let line = line.to_owned();
            let fields = fields(&line);
            let [query, _, document, rank, score, _] = fields.as_slice() else {
                return Err(lines.malformed(
                    "6 columns (query, Q0, document, rank, score, tag)",
                    format!("{} in {}", fields.len(), quote(&line)),
                ));
            };
            if query.is_empty() || document.is_empty() {
                return Err(lines.malformed("a query and a document identifier", quote(&line)));
            }
            let Ok(rank) = rank.trim().parse::<u64>() else {
                return Err(lines.malformed("a whole number as the rank", quote(rank)));
            };
            let score = match score.trim().parse::<f64>() {
                Ok(score) if !score.is_nan() => score,
                _ => return Err(lines.malformed("a number as the score", quote(score))),
            };
            if !seen.insert(((*query).to_owned(), (*document).to_owned())) {
                return Err(lines.malformed(
                    format!("a document once for query `{query}`"),
                    format!("`{document}` a second time"),
                ));
            }
            let ranked = RankedDocument { id: (*document).to_owned(), score };
            rankings.entry((*query).to_owned()).or_default().push((rank, ranked));
        }
        let rankings = rankings
            .into_iter()
            .map(|(query, mut ranking)| {
                ranking.sort_by_key(|(rank, _)| *rank);
                (query, ranking.into_iter().map(|(_, document)| document).collect())
            })
            .collect();
        Ok(Self { rankings })
    }

    /// Writes the run with ranks from 1 and `tag` as its name; `path` is only what errors call it.
    ///
    /// Columns are separated by tabs, which `trec_eval` reads like spaces, and [`Run::read`] reads
    /// back even if identifiers hold spaces. Queries with an empty ranking leave no line.
    ///
    /// ```
    /// # let mut run = alluvium::eval::Run::new();
    /// # run.insert("q1", [("d1", 1.5)])?;
    /// let mut text = Vec::new();
    /// run.write(&mut text, "ours.run", "alluvium")?;
    /// assert_eq!(text, b"q1\tQ0\td1\t1\t1.5\talluvium\n");
    /// # Ok::<(), alluvium::eval::Error>(())
    /// ```
    ///
    /// # Errors
    /// An identifier or the tag is empty or holds a tab or a line break (nothing is written then),
    /// or the writer fails.
    pub fn write(&self, mut writer: impl Write, path: impl Into<PathBuf>, tag: &str) -> Result<()> {
        check_writable(tag)?;
        for (query, ranking) in &self.rankings {
            check_writable(query)?;
            ranking.iter().try_for_each(|document| check_writable(&document.id))?;
        }
        self.write_lines(&mut writer, tag).map_err(|source| Error::Io { path: path.into(), source })
    }

    fn write_lines(&self, writer: &mut impl Write, tag: &str) -> io::Result<()> {
        for (query, ranking) in &self.rankings {
            for (place, RankedDocument { id, score }) in ranking.iter().enumerate() {
                writeln!(writer, "{query}\tQ0\t{id}\t{}\t{score}\t{tag}", place + 1)?;
            }
        }
        writer.flush()
    }
}

/// Refuses what would not come back from a line as it went in.
fn check_writable(id: &str) -> Result<()> {
    if id.is_empty() || id.contains(['\t', '\n', '\r']) {
        return Err(Error::UnwritableId { id: id.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Run> {
        Run::read(text.as_bytes(), "x.run")
    }

    fn ids<'a>(run: &'a Run, query: &str) -> Vec<&'a str> {
        run.ranking(query).iter().map(|document| document.id.as_str()).collect()
    }

    #[test]
    fn a_run_keeps_the_order_given_until_asked_for_another() {
        let mut run = Run::new();
        run.insert("q", [("a", 1.0), ("b", 1.0), ("c", 2.0), ("z", -0.0), ("y", 0.0)]).unwrap();
        assert_eq!(ids(&run, "q"), ["a", "b", "c", "z", "y"]);
        assert_eq!(ids(&run.into_trec_order(), "q"), ["c", "b", "a", "z", "y"]);
    }

    #[test]
    fn an_impossible_ranking_is_refused_and_changes_nothing() {
        let mut run = Run::new();
        run.insert("q", [("a", 1.0)]).unwrap();
        assert!(matches!(run.insert("q", [("b", 1.0)]), Err(Error::DuplicateQuery { .. })));
        let twice = run.insert("p", [("a", 1.0), ("b", 0.5), ("a", 0.1)]);
        assert!(matches!(twice, Err(Error::DuplicateDocument { .. })));
        assert!(matches!(run.insert("p", [("a", f64::NAN)]), Err(Error::ScoreNotANumber { .. })));
        assert_eq!(run.len(), 1);
        assert_eq!(ids(&run, "q"), ["a"]);
    }

    #[test]
    fn ranks_order_a_file_and_equal_ranks_keep_its_lines() {
        let run = read("q Q0 b 2 9 t\np Q0 x 0 1 t\nq Q0 a 1 1 t\np Q0 w 0 1e3 t\n").unwrap();
        assert_eq!(ids(&run, "q"), ["a", "b"]);
        assert_eq!(ids(&run, "p"), ["x", "w"]);
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn malformed_lines_are_named_with_what_was_expected() {
        let message = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(
            message("q Q0 d 1 2.5 t\nq Q0 d 1 2.5"),
            "x.run, line 2: expected 6 columns (query, Q0, document, rank, score, tag), found 5 \
             in `q Q0 d 1 2.5`"
        );
        assert!(message("q Q0 d first 1 t").contains("a whole number as the rank, found `first`"));
        assert!(message("q Q0 d -1 1 t").contains("a whole number as the rank"));
        assert!(message("q Q0 d 1 high t").contains("a number as the score, found `high`"));
        assert!(message("q Q0 d 1 NaN t").contains("a number as the score"));
        assert!(message("q\tQ0\t\t1\t1\tt").contains("a query and a document identifier"));
        assert!(message("q Q0 d 1 2 t\nq Q0 d 2 1 t").contains("line 2: expected a document once"));
    }

    #[test]
    fn a_written_run_reads_back_as_it_was() {
        let mut random = fastrand::Rng::with_seed(71);
        let mut run = Run::new();
        for query in 0..20 {
            let length = random.usize(1..30);
            let score = |random: &mut fastrand::Rng| f64::from(random.f32() * 30.0 - 5.0);
            let ranking: Vec<_> = (0..length)
                .map(|place| (format!("Saint-Étienne {place}"), score(&mut random)))
                .collect();
            run.insert(format!("query {query}"), ranking).unwrap();
        }
        run.insert("infinite", [("up", f64::INFINITY), ("down", f64::NEG_INFINITY)]).unwrap();
        let mut text = Vec::new();
        run.write(&mut text, "x.run", "two words").unwrap();
        assert_eq!(Run::read(text.as_slice(), "x.run").unwrap(), run);
    }

    #[test]
    fn identifiers_that_would_break_a_line_are_not_written() {
        for id in ["", "a\tb", "a\nb", "a\rb"] {
            let mut run = Run::new();
            run.insert("q", [("fine", 2.0), (id, 1.0)]).unwrap();
            let mut text = Vec::new();
            let refused = run.write(&mut text, "x.run", "tag");
            assert!(matches!(refused, Err(Error::UnwritableId { .. })));
            assert!(text.is_empty());
        }
    }
}

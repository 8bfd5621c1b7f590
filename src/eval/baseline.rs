//! Baselines: what was measured once, kept in a file that people read in reviews.
//!
//! Made of an [`Evaluation`] and its [`Run`], compared by [`Comparison`](super::Comparison). A change of ranking changes the file,
//! and the difference says which queries it touched: means, then for each query its values, one line, and its first ten
//! documents, a line each.
//!
//! ```text
//! {
//!   "format": "alluvium baseline 1",
//!   "parameters": {"b": "0.75", "k1": "1.2"},        a line each; whatever the maker wants to be told with a change
//!   "means": {"map": 0.667312, "ndcg_at_10": …},     a line each
//!   "queries": {
//!     "q001": {
//!       "text": "who discovered penicillin",
//!       "measures": {"map": 1.0, "ndcg_at_10": 0.918},
//!       "top": ["Alexander_Fleming", "Penicillin", …]    a line each
//!     }, …
//! ```
//! Values are rounded to six places after the point, in memory too, so that a baseline equals what is read back of it, and
//! equal rankings have equal baselines on every machine. Queries and parameters stand in the order of their bytes.
//!
//! Invariants: every query has a finite value for each measure.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::{Error, Result};
use super::evaluation::Evaluation;
use super::measure::Measure;
use super::queries::TestQuery;
use super::run::Run;

/// What the file says it is.
const FORMAT: &str = "alluvium baseline 1";
/// Documents that are kept of each ranking.
pub(super) const TOP_DOCUMENTS: usize = 10;
/// Values are multiples of one over this.
const PLACES: f64 = 1e6;

/// What a run was worth: parameters, means, and per query the values and the first ten documents.
///
/// ```
/// use alluvium::eval::{Baseline, Judgements, Measure, Run, TestQuery, evaluate};
///
/// let queries = [TestQuery { id: "q1".into(), text: "river gold".into() }];
/// let judgements = Judgements::read("q1 panning 2\n".as_bytes(), "qrels.tsv")?;
/// let mut run = Run::new();
/// run.insert("q1", [("rhine", 3.0), ("panning", 2.5)])?;
///
/// let evaluation = evaluate(&run, &judgements, &[Measure::Mrr]);
/// let baseline = Baseline::new(&evaluation, &run, &queries).parameter("k1", 1.2);
/// assert!(baseline.to_json().contains(r#""measures": {"mrr": 0.5}"#));
/// assert_eq!(Baseline::read(&baseline.to_json(), "mine.json")?, baseline);
/// # Ok::<(), alluvium::eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    parameters: BTreeMap<String, String>,
    measures: Vec<Measure>,
    /// As long as `measures`, as are the values of every query.
    means: Vec<f64>,
    queries: BTreeMap<String, BaselineQuery>,
}

/// One query of a [`Baseline`].
///
/// ```
/// # use alluvium::eval::{Baseline, Judgements, Measure, Run, evaluate};
/// # let judgements = Judgements::read("q1 d1 1\n".as_bytes(), "qrels.tsv")?;
/// # let run = Run::new();
/// # let evaluation = evaluate(&run, &judgements, &[Measure::Mrr]);
/// # let baseline = Baseline::new(&evaluation, &run, &[]);
/// for (id, query) in baseline.queries() {
///     println!("{id} {:?}: {:?}", query.text, query.top.first());
/// }
/// # Ok::<(), alluvium::eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BaselineQuery {
    /// What was asked; empty when it was not told.
    pub text: String,
    /// A value for each of [`Baseline::measures`].
    pub values: Vec<f64>,
    /// The first documents of the ranking, at most ten.
    pub top: Vec<String>,
}

impl Baseline {
    /// Keeps an evaluation, the first ten documents of each query that it has, and their texts from `queries`.
    pub fn new(evaluation: &Evaluation, run: &Run, queries: &[TestQuery]) -> Self {
        let texts: BTreeMap<&str, &str> =
            queries.iter().map(|query| (query.id.as_str(), query.text.as_str())).collect();
        let query = |(id, values): (&str, &[f64])| {
            let top = run.ranking(id).iter().take(TOP_DOCUMENTS);
            let query = BaselineQuery {
                text: texts.get(id).copied().unwrap_or_default().to_owned(),
                values: values.iter().copied().map(rounded).collect(),
                top: top.map(|document| document.id.clone()).collect(),
            };
            (id.to_owned(), query)
        };
        Self {
            parameters: BTreeMap::new(),
            measures: evaluation.measures().to_vec(),
            means: evaluation.means().map(|(_, mean)| rounded(mean)).collect(),
            queries: evaluation.per_query().map(query).collect(),
        }
    }

    /// Notes what the ranking was made with; a change of it is told with a comparison.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.parameters.insert(name.into(), value.to_string());
        self
    }

    /// The parameters by name.
    pub fn parameters(&self) -> &BTreeMap<String, String> {
        &self.parameters
    }

    /// What was measured.
    pub fn measures(&self) -> &[Measure] {
        &self.measures
    }

    /// The means, one for each of [`Baseline::measures`].
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// Every query by the bytes of its identifier.
    pub fn queries(&self) -> impl Iterator<Item = (&str, &BaselineQuery)> {
        self.queries.iter().map(|(id, query)| (id.as_str(), query))
    }

    /// One query, if the baseline has it.
    pub fn query(&self, id: &str) -> Option<&BaselineQuery> {
        self.queries.get(id)
    }

    /// Reads what [`Baseline::save`] wrote at `path`.
    ///
    /// ```no_run
    /// let baseline = alluvium::eval::Baseline::open("tests/relevance.json")?;
    /// # Ok::<(), alluvium::eval::Error>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|source| Error::Io { path: path.to_path_buf(), source })?;
        Self::read(&text, path)
    }

    /// Reads the text of a baseline; `path` is only what errors call it.
    ///
    /// # Errors
    /// The text is no JSON of this form, names an unknown measure, or a query lacks the value of one.
    pub fn read(text: &str, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let refused = |reason| Error::UnusableBaseline { path: path.to_path_buf(), reason };
        let file: BaselineFile =
            serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
        file.checked().map_err(refused)
    }

    /// Writes the baseline to `path`, where it replaces what was there.
    ///
    /// ```no_run
    /// # use alluvium::eval::{Baseline, Judgements, Measure, Run, evaluate};
    /// # let (run, judgements) = (Run::new(), Judgements::new());
    /// let evaluation = evaluate(&run, &judgements, &Measure::DEFAULT);
    /// Baseline::new(&evaluation, &run, &[]).save("tests/relevance.json")?;
    /// # Ok::<(), alluvium::eval::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        fs::write(path, self.to_json())
            .map_err(|source| Error::Io { path: path.to_path_buf(), source })
    }

    /// The text of the file.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{{\n  \"format\": {},\n  \"parameters\": {{", quoted(FORMAT))?;
        let parameters = self.parameters.iter();
        let lines = parameters.map(|(name, value)| format!("{}: {}", quoted(name), quoted(value)));
        lines_of(out, "    ", lines)?;
        writeln!(out, "  }},\n  \"means\": {{")?;
        lines_of(out, "    ", self.named(&self.means))?;
        writeln!(out, "  }},\n  \"queries\": {{")?;
        let last = self.queries.len();
        for (number, (id, query)) in (1..).zip(&self.queries) {
            let values: Vec<String> = self.named(&query.values).collect();
            writeln!(out, "    {}: {{", quoted(id))?;
            writeln!(out, "      \"text\": {},", quoted(&query.text))?;
            writeln!(out, "      \"measures\": {{{}}},", values.join(", "))?;
            writeln!(out, "      \"top\": [")?;
            lines_of(out, "        ", query.top.iter().map(|id| quoted(id)))?;
            writeln!(out, "      ]\n    }}{}", if number < last { "," } else { "" })?;
        }
        writeln!(out, "  }}\n}}")
    }

    fn named(&self, values: &[f64]) -> impl Iterator<Item = String> {
        let named = self.measures.iter().zip(values);
        named.map(|(measure, value)| format!("{}: {value:?}", quoted(&measure.key())))
    }
}

fn lines_of(out: &mut String, indent: &str, lines: impl Iterator<Item = String>) -> fmt::Result {
    let mut lines = lines.peekable();
    while let Some(line) = lines.next() {
        writeln!(out, "{indent}{line}{}", if lines.peek().is_some() { "," } else { "" })?;
    }
    Ok(())
}

/// `text` as a string of JSON.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

pub(super) fn rounded(value: f64) -> f64 {
    // Adding 0.0 makes 0.0 of -0.0, which would stand in the file with its sign.
    (value * PLACES).round() / PLACES + 0.0
}

/// The file as JSON has it.
#[derive(Deserialize)]
struct BaselineFile {
    format: String,
    parameters: BTreeMap<String, String>,
    /// Their order is that of the measures.
    means: Map<String, Value>,
    queries: BTreeMap<String, QueryInFile>,
}

#[derive(Deserialize)]
struct QueryInFile {
    text: String,
    measures: BTreeMap<String, f64>,
    top: Vec<String>,
}

impl BaselineFile {
    fn checked(self) -> std::result::Result<Baseline, String> {
        if self.format != FORMAT {
            return Err(format!("its format is {:?}, not {FORMAT:?}", self.format));
        }
        let (mut measures, mut means) = (Vec::new(), Vec::new());
        for (name, mean) in self.means {
            measures.push(name.parse::<Measure>().map_err(|error| error.to_string())?);
            means.push(mean.as_f64().ok_or_else(|| format!("the mean of {name} is no number"))?);
        }
        let mut queries = BTreeMap::new();
        for (id, QueryInFile { text, measures: by_name, top }) in self.queries {
            let value = |measure: &Measure| {
                let value = by_name.get(&measure.key()).copied();
                value.ok_or_else(|| format!("query `{id}` has no {measure}"))
            };
            let values = measures.iter().map(value).collect::<std::result::Result<_, _>>()?;
            queries.insert(id, BaselineQuery { text, values, top });
        }
        Ok(Baseline { parameters: self.parameters, measures, means, queries })
    }
}

#[cfg(test)]
mod tests {
    use super::super::evaluation::evaluate;
    use super::super::judgements::Judgements;
    use super::*;

    fn sample() -> Baseline {
        let judgements =
            Judgements::read("q\"1 a 1\nq\"1 b 1\nq2 a 1\nq3 a 0\n".as_bytes(), "x").unwrap();
        let mut run = Run::new();
        let ids = (0..12).map(|number| (format!("d{number}"), 1.0));
        run.insert("q\"1", ids.chain([("a\\é".to_owned(), 0.5), ("b".to_owned(), 0.25)])).unwrap();
        let text = "who \"is\"\u{1} it".to_owned();
        let queries = [TestQuery { id: "q\"1".to_owned(), text }];
        let evaluation = evaluate(&run, &judgements, &[Measure::Mrr, Measure::Ndcg(None)]);
        Baseline::new(&evaluation, &run, &queries).parameter("k1", 0.9).parameter("b", "\"")
    }

    #[test]
    fn the_file_reads_line_by_line_in_a_stable_order() {
        let expected = r#"{
  "format": "alluvium baseline 1",
  "parameters": {
    "b": "\"",
    "k1": "0.9"
  },
  "means": {
    "mrr": 0.035714,
    "ndcg": 0.07847
  },
  "queries": {
    "q\"1": {
      "text": "who \"is\"\u0001 it",
      "measures": {"mrr": 0.071429, "ndcg": 0.15694},
      "top": [
        "d0",
        "d1",
        "d2",
        "d3",
        "d4",
        "d5",
        "d6",
        "d7",
        "d8",
        "d9"
      ]
    },
    "q2": {
      "text": "",
      "measures": {"mrr": 0.0, "ndcg": 0.0},
      "top": [
      ]
    }
  }
}
"#;
        assert_eq!(sample().to_json(), expected);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let empty = Baseline::new(&Evaluation::default(), &Run::new(), &[]);
        for baseline in [sample(), empty] {
            assert_eq!(Baseline::read(&baseline.to_json(), "x.json").unwrap(), baseline);
        }
    }

    #[test]
    fn a_file_that_is_no_baseline_is_refused_by_name() {
        let text = sample().to_json();
        for (from, to, said) in [
            ("baseline 1", "baseline 2", "its format is \"alluvium baseline 2\""),
            ("\"mrr\": 0.035714", "\"mean\": 0.035714", "`mean` is no measure"),
            ("\"mrr\": 0.035714", "\"mrr\": \"high\"", "the mean of mrr is no number"),
            ("\"mrr\": 0.071429, ", "", "query `q\"1` has no MRR"),
            ("\"d9\"", "9", "line "),
            ("}\n}\n", "", "EOF"),
        ] {
            let error = Baseline::read(&text.replacen(from, to, 1), "x.json").unwrap_err();
            let message = error.to_string();
            assert!(message.starts_with("x.json: ") && message.contains(said), "{message}");
        }
    }
}

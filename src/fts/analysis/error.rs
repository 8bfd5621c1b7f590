//! Why an analyzer cannot be made of some options.
//!
//! Returned by [`Analyzer::new`](super::Analyzer::new) and by the registration of parts that a program brings along; the index
//! wraps it. Nothing of a database is touched by then, so whoever meets one of these loses nothing. Cost: none to speak of.

use std::error::Error;
use std::fmt;

/// Why an analyzer cannot be made.
///
/// ```
/// use alluvium::{Analyzer, AnalyzerError, AnalyzerOptions};
///
/// let options = AnalyzerOptions::default().filters(["soundex"]);
/// let error = Analyzer::new(&options).unwrap_err();
/// assert!(matches!(&error, AnalyzerError::Unknown { name, .. } if name == "soundex"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AnalyzerError {
    /// The options name a part that this program has not registered.
    Unknown {
        /// What it is: `tokenizer` or `filter`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The names that are registered.
        known: Vec<String>,
    },
    /// A name is registered already, or cannot be one.
    Name {
        /// The name.
        name: String,
        /// Why it cannot be registered.
        reason: &'static str,
    },
    /// The program was built without a feature that the options need.
    Feature {
        /// The feature of the crate.
        feature: &'static str,
        /// The option that needs it.
        option: &'static str,
    },
    /// An option makes no sense.
    Option {
        /// Which one.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for AnalyzerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnalyzerError::Unknown { kind, name, known } => {
                write!(f, "this program has no {kind} {name:?}: it has to be registered before")?;
                match known.as_slice() {
                    [] => f.write_str("; none is"),
                    known => write!(f, "; there are {}", known.join(", ")),
                }
            }
            AnalyzerError::Name { name, reason } => {
                write!(f, "{name:?} cannot be registered: {reason}")
            }
            AnalyzerError::Feature { feature, option } => write!(
                f,
                "{option} needs the feature `{feature}`, without which this program was built"
            ),
            AnalyzerError::Option { option, reason } => write!(f, "{option}: {reason}"),
        }
    }
}

impl Error for AnalyzerError {}

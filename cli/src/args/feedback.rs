//! How `--feedback` is said on the command line: by itself, or with up to three numbers.
//!
//! [`args`](super) reads it for the verbs that rank. What is left out is as the library has it; its ranges are the library's, and
//! checked here, before anything is opened.

use alluvium::Feedback;

/// Reads `DOCUMENTS,WORDS,WEIGHT`, of which the last ones, or all, may be missing.
pub(super) fn feedback(text: &str) -> Result<Feedback, String> {
    let expected = || {
        "expected documents, words and the weight of the query's own words, as in 10,20,0.8; the last ones may be missing"
            .to_owned()
    };
    let mut feedback = Feedback::new();
    let mut parts = text.split(',').map(str::trim).filter(|_| !text.is_empty());
    if let Some(documents) = parts.next() {
        feedback = feedback.documents(documents.parse().map_err(|_| expected())?);
    }
    if let Some(words) = parts.next() {
        feedback = feedback.terms(words.parse().map_err(|_| expected())?);
    }
    if let Some(weight) = parts.next() {
        feedback = feedback.original_weight(weight.parse().map_err(|_| expected())?);
    }
    if parts.next().is_some() {
        return Err(expected());
    }
    feedback.check().map_err(|error| error.to_string())?;
    Ok(feedback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_missing_are_those_of_the_library() {
        let new = Feedback::new();
        for (text, expected) in [
            ("", new),
            ("5", new.documents(5)),
            ("5,30", new.documents(5).terms(30)),
            ("5, 30, 0.5", new.documents(5).terms(30).original_weight(0.5)),
        ] {
            assert_eq!(feedback(text), Ok(expected), "{text}");
        }
        for text in ["x", "5,", "5,x", "5,5,x", "1,1,1,1", "-1", "0.5"] {
            assert!(feedback(text).unwrap_err().contains("as in 10,20,0.8"), "{text}");
        }
        for text in ["0", "101", "5,0", "5,5,0", "5,5,1.5", "5,5,NaN"] {
            assert!(feedback(text).unwrap_err().contains("1 to 100"), "{text}");
        }
    }
}

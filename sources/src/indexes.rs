//! What the indexes of a dumped collection become here. mongodump writes them as a line of extended JSON beside the documents;
//! [`DumpedIndexes::read`] makes options of value indexes and of the text index of it, and says what has no counterpart.
//!
//! | there | here |
//! |---|---|
//! | ascending, descending, compound; unique, sparse, partial | a value index of the same name |
//! | hashed | a value index, which serves the same filters |
//! | text, with weights and language | the text index; a prefix of values is left out |
//! | expiring documents, collations | the index without that, and a warning |
//! | places on a sphere or plane, wildcards | a warning |

use alluvium::bson::{Bson, Direction, Document, parse_json};
use alluvium::{AnalyzerOptions, Language, TextIndexOptions, ValueIndexOptions};

/// What the indexes of a dumped collection become.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DumpedIndexes {
    /// The text index, if it had one.
    pub text: Option<TextIndexOptions>,
    /// Value indexes by name.
    pub values: Vec<(String, ValueIndexOptions)>,
    /// What is otherwise than it was, a sentence each.
    pub warnings: Vec<String>,
}

impl DumpedIndexes {
    /// Reads the metadata of a collection.
    ///
    /// ```
    /// use alluvium_sources::DumpedIndexes;
    ///
    /// let indexes = DumpedIndexes::read(r#"{"indexes": [{"key": {"year": -1}, "name": "year_-1", "unique": true}]}"#);
    /// let (name, options) = &indexes.values[0];
    /// assert!(name == "year_-1" && options.unique);
    /// ```
    pub fn read(metadata: &str) -> DumpedIndexes {
        let mut indexes = DumpedIndexes::default();
        let document =
            parse_json(metadata).ok().and_then(|raw| Document::try_from(raw.as_ref()).ok());
        let Some(document) = document else {
            indexes
                .warnings
                .push("its metadata cannot be read, so its indexes are not made".to_owned());
            return indexes;
        };
        for index in document.get_array("indexes").into_iter().flatten() {
            let Some(index) = index.as_document() else { continue };
            let name = index.get_str("name").unwrap_or("without a name");
            if let Err(reason) = indexes.add(name, index) {
                indexes.warnings.push(format!("index `{name}` is not made: {reason}"));
            }
        }
        indexes
    }

    fn add(&mut self, name: &str, index: &Document) -> Result<(), String> {
        let key = index.get_document("key").map_err(|_| "it has no key".to_owned())?;
        if key.len() == 1 && key.contains_key("_id") {
            return Ok(());
        }
        if key.values().any(|kind| kind.as_str() == Some("text")) {
            return self.add_text(name, index, key);
        }
        let fields: Vec<(String, Direction)> = key
            .iter()
            .map(|(path, kind)| Ok((path.clone(), direction(path, kind)?)))
            .collect::<Result<_, String>>()?;
        let mut options = ValueIndexOptions::new(fields);
        options.unique = is_set(index, "unique");
        options.sparse = is_set(index, "sparse");
        options.filter = index.get_document("partialFilterExpression").ok().cloned();
        options.check().map_err(|error| error.to_string())?;
        for (option, lacking) in [
            ("expireAfterSeconds", "its documents do not expire here"),
            ("collation", "strings are compared byte by byte here, without its collation"),
        ] {
            if index.contains_key(option) {
                self.warnings.push(format!("index `{name}`: {lacking}"));
            }
        }
        self.values.push((name.to_owned(), options));
        Ok(())
    }

    fn add_text(&mut self, name: &str, index: &Document, key: &Document) -> Result<(), String> {
        if self.text.is_some() {
            return Err("there is another text index".to_owned());
        }
        let weights = index.get_document("weights").map_err(|_| "it has no weights".to_owned())?;
        let mut warn =
            |lacking: &str| self.warnings.push(format!("text index `{name}`: {lacking}"));
        if key.keys().any(|path| !matches!(path.as_str(), "_fts" | "_ftsx")) {
            warn("the values before and behind its text are left out; filter by them");
        }
        if index.contains_key("partialFilterExpression") {
            warn("it covers all documents here, not only those of its filter");
        }
        let analyzer = match index.get_str("default_language").unwrap_or("english") {
            "none" => AnalyzerOptions::default(),
            language => match language.parse::<Language>() {
                Ok(language) => AnalyzerOptions::for_language(language),
                Err(error) => {
                    warn(&format!("its words are indexed as they are: {error}"));
                    AnalyzerOptions::default()
                }
            },
        };
        let options = if weights.contains_key("$**") {
            if weights.len() > 1 {
                warn("it covers all strings, none of which weighs more here");
            }
            TextIndexOptions::all(analyzer)
        } else {
            let weight = |weight: &Bson| {
                let weight = number(weight).unwrap_or(1.0);
                // Weights there are 1 to 99,999.
                format!("{weight}").parse().unwrap_or(1.0_f32)
            };
            TextIndexOptions::chosen(
                weights.iter().map(|(path, w)| (path.clone(), weight(w))),
                analyzer,
            )
        };
        options.check().map_err(|error| error.to_string())?;
        self.text = Some(options);
        Ok(())
    }
}

fn direction(path: &str, kind: &Bson) -> Result<Direction, String> {
    if path.contains("$**") {
        return Err("there are no wildcards here; name the paths".to_owned());
    }
    match (number(kind), kind.as_str()) {
        (Some(number), _) if number < 0.0 => Ok(Direction::Descending),
        (Some(_), _) | (None, Some("hashed")) => Ok(Direction::Ascending),
        (None, _) => Err(format!("there is no kind {kind} of `{path}` here")),
    }
}

fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Int32(number) => Some(f64::from(*number)),
        Bson::Double(number) => Some(*number),
        Bson::Int64(number) => i32::try_from(*number).ok().map(f64::from),
        _ => None,
    }
}

fn is_set(index: &Document, option: &str) -> bool {
    match index.get(option) {
        Some(Bson::Boolean(set)) => *set,
        Some(value) => number(value).is_some_and(|number| number != 0.0),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alluvium::Fields;
    use alluvium::bson::doc;

    fn read(indexes: &str) -> DumpedIndexes {
        DumpedIndexes::read(&format!(
            r#"{{"options":{{}},"indexes":[{indexes}],"collectionName":"x"}}"#
        ))
    }

    #[test]
    fn indexes_of_values_come_over() {
        let found = read(
            r#"{"v":{"$numberInt":"2"},"key":{"_id":{"$numberInt":"1"}},"name":"_id_"},
            {"v":2,"key":{"a":{"$numberDouble":"1.0"},"b.c":-1},"name":"a_1","unique":true,"ns":"test.x"},
            {"v":2,"key":{"h":"hashed"},"name":"h_hashed","sparse":true},
            {"v":2,"key":{"y":1},"name":"y_1","partialFilterExpression":{"y":{"$gt":{"$numberInt":"5"}}}}"#,
        );
        assert!(found.warnings.is_empty() && found.text.is_none(), "{found:?}");
        let both = [("a", Direction::Ascending), ("b.c", Direction::Descending)];
        let expected = [
            ("a_1".to_owned(), ValueIndexOptions::new(both).unique()),
            ("h_hashed".to_owned(), ValueIndexOptions::ascending("h").sparse()),
            (
                "y_1".to_owned(),
                ValueIndexOptions::ascending("y").partial(doc! { "y": { "$gt": 5 } }),
            ),
        ];
        assert_eq!(found.values, expected);
    }

    #[test]
    fn the_text_index_comes_over() {
        let text = |rest: &str| {
            read(&format!(
                r#"{{"key":{{"_fts":"text","_ftsx":1}},"name":"t","textIndexVersion":3,{rest}}}"#
            ))
        };
        let english = AnalyzerOptions::for_language(Language::English);
        let found = text(
            r#""weights":{"title":{"$numberInt":"10"},"body":1},"default_language":"english""#,
        );
        assert_eq!(
            found.text,
            Some(TextIndexOptions::chosen([("title", 10.0), ("body", 1.0)], english))
        );
        let found = text(r#""weights":{"$**":1},"default_language":"none""#);
        assert_eq!(found.text.unwrap().fields, Fields::All);
        assert!(found.warnings.is_empty());
        let found = text(r#""weights":{"a":1},"default_language":"klingon""#);
        assert!(found.warnings[0].contains("klingon") && found.text.is_some(), "{found:?}");
        let found =
            read(r#"{"key":{"user":1,"_fts":"text","_ftsx":1},"name":"t","weights":{"a":1}}"#);
        assert!(found.warnings[0].contains("are left out"), "{found:?}");
    }

    #[test]
    fn what_has_no_counterpart_is_told() {
        for (index, warning) in [
            (r#"{"key":{"a":"2dsphere"},"name":"geo"}"#, "`geo` is not made"),
            (r#"{"key":{"$**":1},"name":"wild"}"#, "no wildcards"),
            (r#"{"key":{"a":""},"name":"empty"}"#, "`empty` is not made"),
            (r#"{"key":{"a":1},"name":"ttl","expireAfterSeconds":1000}"#, "do not expire"),
            (r#"{"key":{"a":1},"name":"c","collation":{"locale":"fr"}}"#, "collation"),
            (
                r#"{"key":{"a":1},"name":"p","partialFilterExpression":{"$where":"1"}}"#,
                "`p` is not made",
            ),
            (r#"{"name":"none"}"#, "no key"),
        ] {
            let found = read(index);
            assert!(found.warnings.len() == 1 && found.warnings[0].contains(warning), "{found:?}");
        }
        assert_eq!(DumpedIndexes::read("{").warnings.len(), 1);
        assert_eq!(DumpedIndexes::read("{}"), DumpedIndexes::default());
    }
}

//! [`Shape`]: what becomes of a document before it is stored. Three steps, always in this order:
//!
//! 1. one field becomes `_id`, and the first;
//! 2. only some paths are kept, and `_id`;
//! 3. fields get other names.
//!
//! So `--fields` and `--map` speak of the names that the source has, but for the field that became `_id`. Nothing is done to a
//! document by a step that was not asked for. Cost: one copy of the document for each step.

use std::borrow::Cow;

use alluvium::bson::{Bson, CString, Document, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

/// What becomes of documents.
///
/// ```
/// use alluvium::bson::{parse_json, to_json};
/// use alluvium_sources::Shape;
///
/// let shape = Shape::new().id("key").fields(["title", "author.name"]).rename("author.name", "writer")?;
/// let document = parse_json(r#"{"title":"Gold","key":7,"author":{"name":"Ann","born":1820},"x":1}"#).unwrap();
/// assert_eq!(to_json(&shape.apply(&document)?), r#"{"_id":7,"title":"Gold","writer":"Ann"}"#);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shape {
    id: Option<String>,
    fields: Option<Vec<Kept>>,
    renames: Vec<(Vec<String>, Vec<String>)>,
}

/// A field that is kept: all of it, or only some paths within.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    name: String,
    within: Option<Vec<Kept>>,
}

impl Shape {
    /// Documents as they are.
    pub fn new() -> Self {
        Shape::default()
    }

    /// Makes this field `_id` and the first. A document without it, or with another `_id`, is refused.
    pub fn id(mut self, field: impl Into<String>) -> Self {
        self.id = Some(field.into());
        self
    }

    /// Keeps only the values at these dotted paths, through arrays too, and `_id`.
    pub fn fields<P: AsRef<str>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        let kept = self.fields.get_or_insert_default();
        for path in paths {
            keep(kept, path.as_ref());
        }
        self
    }

    /// Gives the field at one dotted path another: a new name in its place if only the last name differs, else another place,
    /// and documents that are empty then go. A document that has something there already is refused.
    ///
    /// # Errors
    /// When one of them is no path, or `_id`, or they are the same.
    pub fn rename(mut self, old: &str, new: &str) -> Result<Self, String> {
        let path = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<String>>();
        let empty = [old, new].into_iter().find(|path| path.split('.').any(str::is_empty));
        if let Some(path) = empty {
            return Err(format!("`{path}` is no path of a field"));
        }
        if [old, new].contains(&"_id") {
            return Err("`_id` is not renamed; --id says which field it is".to_owned());
        }
        if old == new {
            return Err(format!("`{old}` has that name already"));
        }
        self.renames.push((path(old), path(new)));
        Ok(self)
    }

    /// The document in this shape; an error says why it cannot be.
    ///
    /// # Errors
    /// Those of the steps.
    pub fn apply<'d>(&self, document: &'d RawDocument) -> Result<Cow<'d, RawDocument>, String> {
        let mut document = Cow::Borrowed(document);
        if let Some(id) = self
            .id
            .as_ref()
            .filter(|id| *id != "_id" || !matches!(document.get("_id"), Ok(Some(_))))
        {
            document = Cow::Owned(identified(&document, id)?);
        }
        if let Some(kept) = &self.fields {
            document = Cow::Owned(only(&document, kept, true)?);
        }
        if self.renames.is_empty() {
            return Ok(document);
        }
        let mut tree = Document::try_from(&*document).map_err(|error| error.to_string())?;
        for (old, new) in &self.renames {
            rename(&mut tree, old, new)?;
        }
        let renamed = RawDocumentBuf::try_from(&tree).map_err(|error| error.to_string())?;
        Ok(Cow::Owned(renamed))
    }
}

/// `document` with its field `id` as `_id` in the first place.
fn identified(document: &RawDocument, id: &str) -> Result<RawDocumentBuf, String> {
    let value = document.get(id).map_err(|error| error.to_string())?;
    let Some(value) = value else {
        return Err(format!("the document has no field `{id}`, which is to identify it"));
    };
    let mut out = rawdoc! { "_id": value };
    for element in document {
        let (field, value) = element.map_err(|error| error.to_string())?;
        if field.as_str() == "_id" {
            return Err(format!("the document has both `_id` and `{id}`; it needs one of them"));
        }
        if field.as_str() != id {
            out.append(field, value);
        }
    }
    Ok(out)
}

fn keep(kept: &mut Vec<Kept>, path: &str) {
    let (name, deeper) = match path.split_once('.') {
        Some((name, deeper)) => (name, Some(deeper)),
        None => (path, None),
    };
    let at = kept.iter().position(|kept| kept.name == name).unwrap_or_else(|| {
        kept.push(Kept { name: name.to_owned(), within: Some(Vec::new()) });
        kept.len() - 1
    });
    let Some(found) = kept.get_mut(at) else { return };
    match (deeper, &mut found.within) {
        (None, within) => *within = None,
        (Some(deeper), Some(within)) => keep(within, deeper),
        (Some(_), None) => {}
    }
}

/// What is kept of a document, in its order.
fn only(document: &RawDocument, kept: &[Kept], outermost: bool) -> Result<RawDocumentBuf, String> {
    let mut out = RawDocumentBuf::new();
    for element in document {
        let (name, value) = element.map_err(|error| error.to_string())?;
        if outermost && name.as_str() == "_id" {
            out.append(name, value);
            continue;
        }
        match kept.iter().find(|kept| kept.name == name.as_str()).map(|kept| &kept.within) {
            None => {}
            Some(None) => out.append(name, value),
            Some(Some(within)) => append_part(&mut out, name.to_owned(), value, within)?,
        }
    }
    Ok(out)
}

/// Appends what is kept of a value that has paths within it.
fn append_part(
    out: &mut RawDocumentBuf,
    name: CString,
    value: RawBsonRef<'_>,
    within: &[Kept],
) -> Result<(), String> {
    match value {
        RawBsonRef::Document(document) => out.append(name, only(document, within, false)?),
        RawBsonRef::Array(array) => {
            let mut kept = alluvium::bson::RawArrayBuf::new();
            for element in array {
                if let RawBsonRef::Document(document) =
                    element.map_err(|error| error.to_string())?
                {
                    kept.push(only(document, within, false)?);
                }
            }
            out.append(name, kept);
        }
        _ => {}
    }
    Ok(())
}

fn rename(tree: &mut Document, old: &[String], new: &[String]) -> Result<(), String> {
    let (Some((old_name, old_parent)), Some((new_name, new_parent))) =
        (old.split_last(), new.split_last())
    else {
        return Ok(());
    };
    let Some(parent) =
        old_parent.iter().try_fold(&mut *tree, |inside, name| inside.get_document_mut(name).ok())
    else {
        return Ok(());
    };
    if !parent.contains_key(old_name) {
        return Ok(());
    }
    let taken = || format!("the document has a field `{}` already", new.join("."));
    if old_parent == new_parent {
        if parent.contains_key(new_name) {
            return Err(taken());
        }
        *parent = std::mem::take(parent)
            .into_iter()
            .map(|(name, value)| (if name == *old_name { new_name.clone() } else { name }, value))
            .collect();
        return Ok(());
    }
    let Some(value) = parent.remove(old_name) else { return Ok(()) };
    drop_empty(tree, old_parent);
    let mut inside = tree;
    for name in new_parent {
        let entry = inside.entry(name.clone()).or_insert_with(|| Bson::Document(Document::new()));
        inside = entry.as_document_mut().ok_or_else(taken)?;
    }
    if inside.contains_key(new_name) {
        return Err(taken());
    }
    inside.insert(new_name.clone(), value);
    Ok(())
}

/// Drops the documents on a path that have become empty, from the innermost on.
fn drop_empty(tree: &mut Document, path: &[String]) {
    let Some((name, deeper)) = path.split_first() else { return };
    let Ok(inside) = tree.get_document_mut(name) else { return };
    drop_empty(inside, deeper);
    if inside.is_empty() {
        tree.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alluvium::bson::{parse_json, to_json};

    fn shaped(shape: &Shape, line: &str) -> Result<String, String> {
        shape.apply(&parse_json(line).unwrap()).map(|document| to_json(&document))
    }

    fn is(shape: &Shape, line: &str, expected: &str) {
        assert_eq!(shaped(shape, line).as_deref(), Ok(expected), "{line}");
    }

    #[test]
    fn the_identifying_field_becomes_the_first() {
        let key = Shape::new().id("key");
        is(&key, r#"{"a":1,"key":"x"}"#, r#"{"_id":"x","a":1}"#);
        is(&Shape::new().id("_id"), r#"{"a":1,"_id":7}"#, r#"{"a":1,"_id":7}"#);
        is(&Shape::new(), r#"{"a":1}"#, r#"{"a":1}"#);
        assert!(shaped(&key, r#"{"a":1}"#).unwrap_err().contains("no field `key`"));
        assert!(shaped(&key, r#"{"key":1,"_id":2}"#).unwrap_err().contains("both"));
    }

    #[test]
    fn only_some_paths_are_kept() {
        let some = Shape::new().fields(["a", "b.c", "b.d.e"]);
        is(
            &some,
            r#"{"_id":1,"x":2,"b":{"c":3,"d":{"e":4,"f":5},"g":6},"a":{"h":7}}"#,
            r#"{"_id":1,"b":{"c":3,"d":{"e":4}},"a":{"h":7}}"#,
        );
        is(
            &some,
            r#"{"b":[{"c":1,"g":2},3,{"d":[{"e":4}]}]}"#,
            r#"{"b":[{"c":1},{"d":[{"e":4}]}]}"#,
        );
        is(&some, r#"{"b":5,"c":6}"#, "{}");
        is(&Shape::new().fields(["b.c", "b"]), r#"{"b":{"x":1}}"#, r#"{"b":{"x":1}}"#);
        is(&Shape::new().fields(["b.x"]), r#"{"b":{"_id":1,"x":2}}"#, r#"{"b":{"x":2}}"#);
        is(&Shape::new().fields(["b._id"]), r#"{"b":{"_id":1,"x":2}}"#, r#"{"b":{"_id":1}}"#);
    }

    #[test]
    fn fields_get_other_names() {
        let rename = |old, new| Shape::new().rename(old, new).unwrap();
        is(&rename("a", "z"), r#"{"x":1,"a":2,"y":3}"#, r#"{"x":1,"z":2,"y":3}"#);
        is(&rename("a.b", "a.z"), r#"{"a":{"b":1,"c":2},"y":3}"#, r#"{"a":{"z":1,"c":2},"y":3}"#);
        is(&rename("a.b", "z"), r#"{"a":{"b":1},"y":3}"#, r#"{"y":3,"z":1}"#);
        is(&rename("a.b.c", "a.z"), r#"{"a":{"b":{"c":1}}}"#, r#"{"a":{"z":1}}"#);
        is(&rename("a.b.c", "z"), r#"{"a":{"b":{"c":1},"d":2}}"#, r#"{"a":{"d":2},"z":1}"#);
        is(&rename("b", "a.z.y"), r#"{"b":1}"#, r#"{"a":{"z":{"y":1}}}"#);
        is(&rename("a", "z"), r#"{"b":1}"#, r#"{"b":1}"#);
        is(&rename("a.b", "z"), r#"{"a":1}"#, r#"{"a":1}"#);
        let swap = rename("a", "t").rename("b", "a").unwrap().rename("t", "b").unwrap();
        is(&swap, r#"{"a":1,"b":2}"#, r#"{"b":1,"a":2}"#);
        assert!(shaped(&rename("a", "b"), r#"{"a":1,"b":2}"#).unwrap_err().contains("`b` already"));
        assert!(shaped(&rename("a", "b.c"), r#"{"a":1,"b":2}"#).unwrap_err().contains("`b.c`"));
        for (old, new) in [("_id", "a"), ("a", "_id"), ("", "a"), ("a", "b..c"), ("a", "a")] {
            assert!(Shape::new().rename(old, new).is_err());
        }
    }

    #[test]
    fn steps_follow_their_order() {
        let shape = Shape::new().rename("title", "name").unwrap().fields(["title"]).id("key");
        is(&shape, r#"{"title":"Gold","key":1,"name":"x"}"#, r#"{"_id":1,"name":"Gold"}"#);
    }
}

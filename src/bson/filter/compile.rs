//! From a filter as BSON to its tree: which operator may stand where, and what may stand under it.
//!
//! Called by [`super::Filter::parse`] with bytes that are validated, so that the recursion here is
//! bounded by their nesting. Operands of single conditions are read in [`super::operand`]; here is
//! the structure.
//!
//! ```text
//! filter     := { path: values | $and $or $nor: [filter, …] | $comment: any … }
//! values     := operators | regex | any other value, to which the field must be equal
//! operators  := { $eq $gt …: operand | $not: operators or regex | $all: [value, …]
//!               | $elemMatch: filter or operators … }
//! ```
//! A document is *operators* when one of its names starts with `$`, unless it is a reference with
//! `$ref` and `$id`. All its names must then be operators.

use super::super::error::{Error, Result};
use super::super::path::{INDEXES_MAX, Path};
use super::super::route::Route;
use super::comparison::{Comparison, Relation, ValueSet};
use super::operand;
use super::operators::{OF_DOCUMENTS, OF_FIELDS, remedy};
use super::pattern::Pattern;
use super::position::{Position, cut};
use super::tree::{Condition, Node, Predicate};
use super::type_set::shown;
use bson::{RawArray, RawBsonRef, RawDocument};

/// Most conditions and documents of one filter, which bound the work for a document.
const PARTS_MAX: usize = 10_000;

/// Most regular expressions of one filter, which bound its memory.
const PATTERNS_MAX: usize = 100;

/// A filter being read.
#[derive(Debug, Default)]
pub(super) struct Compiler {
    position: Position,
    parts: usize,
    patterns: usize,
    /// Numeric segments of the paths around us, from `$elemMatch` to `$elemMatch`.
    indexes: usize,
}

impl Compiler {
    pub(super) fn filter(&mut self, filter: &RawDocument) -> Result<Node> {
        self.count_part()?;
        let mut nodes = Vec::new();
        for field in filter {
            let (name, value) = field?;
            let name = name.as_str();
            let outer = self.position.enter(name);
            match name {
                "$and" => nodes.push(Node::All(self.filters(value)?)),
                "$or" => nodes.push(Node::Any(self.filters(value)?)),
                "$nor" => nodes.push(Node::Not(Box::new(Node::Any(self.filters(value)?)))),
                "$comment" => {}
                _ if name.starts_with('$') => return Err(self.unknown_among_fields(name)),
                _ => nodes.push(self.field(name, value)?),
            }
            self.position.leave(outer);
        }
        Ok(if nodes.len() == 1 { nodes.swap_remove(0) } else { Node::All(nodes) })
    }

    fn filters(&mut self, value: RawBsonRef<'_>) -> Result<Vec<Node>> {
        let array = self.array(value, "an array of filters")?;
        let mut nodes = Vec::new();
        for (index, element) in array.into_iter().enumerate() {
            let element = element?;
            let outer = self.position.enter(&index.to_string());
            let RawBsonRef::Document(filter) = element else {
                return Err(self.expected("a filter", element));
            };
            nodes.push(self.filter(filter)?);
            self.position.leave(outer);
        }
        if nodes.is_empty() {
            return Err(self.position.refuse("expected an array of filters, found an empty one"));
        }
        Ok(nodes)
    }

    fn field(&mut self, name: &str, value: RawBsonRef<'_>) -> Result<Node> {
        let path = Path::parse(name).map_err(|error| match error {
            Error::Path { reason, .. } => self.position.refuse(format!(
                "expected a path, but {reason}; write field names joined by single dots, as in \
                 author.name"
            )),
            other => other,
        })?;
        let route = Route::new(&path);
        let outer_indexes = self.indexes;
        self.indexes += route.indexes();
        if self.indexes > INDEXES_MAX {
            return Err(self.position.refuse(format!(
                "expected at most {INDEXES_MAX} numbers in a path and the paths around it, found {}",
                self.indexes
            )));
        }
        let predicate = self.values(value)?;
        self.indexes = outer_indexes;
        Ok(Node::Field(route, predicate))
    }

    fn values(&mut self, value: RawBsonRef<'_>) -> Result<Predicate> {
        match value {
            RawBsonRef::Document(document) if self.is_operators(document, &[])? => {
                self.operators(document)
            }
            RawBsonRef::RegularExpression(_) => self.regex(value, None),
            value => self.compare(Relation::Equal, value),
        }
    }

    /// Whether a document holds operators, those in `aside` not counted.
    fn is_operators(&self, document: &RawDocument, aside: &[&str]) -> Result<bool> {
        let (mut operator, mut field, mut to, mut id) = (None, None, false, false);
        for element in document.iter_elements() {
            let name = element?.key().as_str();
            to |= name == "$ref";
            id |= name == "$id";
            let is_operator = name.starts_with('$') && !aside.contains(&name);
            if is_operator { &mut operator } else { &mut field }.get_or_insert(name);
        }
        match (operator, field) {
            _ if to && id => Ok(false),
            (Some(operator), Some(field)) => Err(self.position.refuse(format!(
                "expected either operators or fields, found {} beside {:?}; to compare with a \
                 whole document, put it under $eq",
                cut(operator),
                cut(field)
            ))),
            (operator, _) => Ok(operator.is_some()),
        }
    }

    fn operators(&mut self, document: &RawDocument) -> Result<Predicate> {
        let (options, has_regex) = (document.get("$options")?, document.get("$regex")?.is_some());
        let mut predicates = Vec::new();
        for element in document {
            let (name, value) = element?;
            let outer = self.position.enter(name.as_str());
            match name.as_str() {
                // What it says is read with `$regex`.
                "$options" if has_regex => {}
                "$options" => {
                    return Err(self
                        .position
                        .refuse("expected $regex beside $options, found none"));
                }
                name => predicates.push(self.operator(name, value, options)?),
            }
            self.position.leave(outer);
        }
        Ok(if predicates.len() == 1 {
            predicates.swap_remove(0)
        } else {
            Predicate::All(predicates)
        })
    }

    /// `options` are those that stand beside the operator, for `$regex`.
    fn operator(
        &mut self,
        name: &str,
        value: RawBsonRef<'_>,
        options: Option<RawBsonRef<'_>>,
    ) -> Result<Predicate> {
        match name {
            "$eq" => self.compare(Relation::Equal, value),
            "$ne" => {
                let value = self.not_a_regex(value, "; put it under $not instead")?;
                self.compare(Relation::Equal, value).map(negated)
            }
            "$gt" => self.order(Relation::Greater, value),
            "$gte" => self.order(Relation::GreaterOrEqual, value),
            "$lt" => self.order(Relation::Less, value),
            "$lte" => self.order(Relation::LessOrEqual, value),
            "$in" => self.among(value),
            "$nin" => self.among(value).map(negated),
            "$not" => self.not(value),
            "$exists" => {
                let exists = operand::flag(value);
                let exists = exists.ok_or_else(|| self.expected("true or false", value))?;
                let positive = self.condition(Condition::Exists)?;
                Ok(if exists { positive } else { negated(positive) })
            }
            "$type" => {
                let types = operand::types(value, &mut self.position)?;
                self.condition(Condition::Type(types))
            }
            "$size" => {
                let size = operand::size(value);
                let size = size.ok_or_else(|| self.expected("a whole number from 0 up", value))?;
                self.condition(Condition::Size(size))
            }
            "$mod" => {
                let (divisor, remainder) = operand::divisor(value, &mut self.position)?;
                self.condition(Condition::Remainder { divisor, remainder })
            }
            "$all" => self.every(value),
            "$elemMatch" => self.element(value),
            "$regex" => self.regex(value, options),
            name => Err(self.unknown_under_field(name)),
        }
    }

    fn order(&mut self, relation: Relation, operand: RawBsonRef<'_>) -> Result<Predicate> {
        let operand = self.not_a_regex(operand, "")?;
        self.compare(relation, operand)
    }

    fn not_a_regex<'a>(&self, value: RawBsonRef<'a>, remedy: &str) -> Result<RawBsonRef<'a>> {
        match value {
            RawBsonRef::RegularExpression(_) => Err(self
                .position
                .refuse(format!("expected a value to compare with, found regex{remedy}"))),
            value => Ok(value),
        }
    }

    fn compare(&mut self, relation: Relation, operand: RawBsonRef<'_>) -> Result<Predicate> {
        self.condition(Condition::Compare(Comparison { relation, operand: operand.into() }))
    }

    fn among(&mut self, value: RawBsonRef<'_>) -> Result<Predicate> {
        let array = self.array(value, "an array of values")?;
        let (mut values, mut patterns) = (Vec::new(), Vec::new());
        for (index, element) in array.into_iter().enumerate() {
            let element = element?;
            let outer = self.position.enter(&index.to_string());
            match element {
                RawBsonRef::RegularExpression(_) => patterns.push(self.pattern(element, None)?),
                RawBsonRef::Document(document) if self.is_operators(document, &[])? => {
                    return Err(self.position.refuse(
                        "expected a value, found operators; join filters with $or instead",
                    ));
                }
                element => values.push(element.into()),
            }
            self.position.leave(outer);
        }
        self.condition(Condition::In { values: ValueSet::new(values)?, patterns })
    }

    fn not(&mut self, value: RawBsonRef<'_>) -> Result<Predicate> {
        let positive = match value {
            RawBsonRef::RegularExpression(_) => self.regex(value, None)?,
            RawBsonRef::Document(document) if self.is_operators(document, &[])? => {
                self.operators(document)?
            }
            value => {
                return Err(self.position.refuse(format!(
                    "expected operators or a regex, found {}; to differ from a value, write $ne",
                    shown(value)
                )));
            }
        };
        Ok(negated(positive))
    }

    fn every(&mut self, value: RawBsonRef<'_>) -> Result<Predicate> {
        let array = self.array(value, "an array of values")?;
        let mut predicates = Vec::new();
        let mut elements = 0;
        for (index, wanted) in array.into_iter().enumerate() {
            let wanted = wanted?;
            let outer = self.position.enter(&index.to_string());
            predicates.push(match wanted {
                RawBsonRef::Document(document) if self.is_operators(document, &[])? => {
                    elements += 1;
                    self.only_element(document)?
                }
                wanted => self.values(wanted)?,
            });
            self.position.leave(outer);
        }
        match (elements, predicates.len()) {
            // All of no values is nothing, as in MongoDB.
            (_, 0) => self.among(value),
            (elements, all) if elements == 0 || elements == all => Ok(Predicate::All(predicates)),
            _ => Err(self.position.refuse("expected either values or $elemMatch, found both")),
        }
    }

    /// `{$elemMatch: …}` and nothing else, as it may stand in `$all`.
    fn only_element(&mut self, document: &RawDocument) -> Result<Predicate> {
        for element in document.iter_elements() {
            let name = element?.key().as_str();
            if name != "$elemMatch" {
                return Err(self
                    .position
                    .refuse(format!("expected a value or $elemMatch alone, found {}", cut(name))));
            }
        }
        self.operators(document)
    }

    /// An operand of `$elemMatch` that holds `$and` and the like is a filter of documents.
    fn element(&mut self, value: RawBsonRef<'_>) -> Result<Predicate> {
        let RawBsonRef::Document(document) = value else {
            return Err(self.expected("a filter or operators", value));
        };
        let condition = if self.is_operators(document, &OF_DOCUMENTS)? {
            Condition::ElementValue(Box::new(self.operators(document)?))
        } else {
            Condition::ElementDocument(Box::new(self.filter(document)?))
        };
        self.condition(condition)
    }

    fn regex(
        &mut self,
        value: RawBsonRef<'_>,
        options: Option<RawBsonRef<'_>>,
    ) -> Result<Predicate> {
        let pattern = self.pattern(value, options)?;
        self.condition(Condition::Matches(Box::new(pattern)))
    }

    fn pattern(
        &mut self,
        value: RawBsonRef<'_>,
        options: Option<RawBsonRef<'_>>,
    ) -> Result<Pattern> {
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            return Err(self.position.refuse(format!(
                "expected at most {PATTERNS_MAX} regular expressions in a filter, found another"
            )));
        }
        let (pattern, own_options) = match value {
            RawBsonRef::RegularExpression(regex) => {
                (regex.pattern.as_str(), regex.options.as_str())
            }
            RawBsonRef::String(pattern) => (pattern, ""),
            value => return Err(self.expected("a string or a regex", value)),
        };
        let options = match options {
            None => own_options,
            Some(RawBsonRef::String(options)) if own_options.is_empty() => options,
            Some(RawBsonRef::String(_)) => {
                return Err(self.position.refuse(
                    "expected options in one place, found them in the regex and in $options",
                ));
            }
            Some(options) => {
                return Err(self
                    .position
                    .refuse(format!("expected a string as $options, found {}", shown(options))));
            }
        };
        Pattern::compile(pattern, options).map_err(|message| self.position.refuse(message))
    }

    fn condition(&mut self, condition: Condition) -> Result<Predicate> {
        self.count_part()?;
        Ok(Predicate::Some(condition))
    }

    fn count_part(&mut self) -> Result<()> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(self.position.refuse(format!(
                "expected at most {PARTS_MAX} conditions in a filter, found another; list many \
                 values of one field in $in"
            )));
        }
        Ok(())
    }

    fn array<'a>(&self, value: RawBsonRef<'a>, expected: &str) -> Result<&'a RawArray> {
        value.as_array().ok_or_else(|| self.expected(expected, value))
    }

    fn expected(&self, expected: &str, found: RawBsonRef<'_>) -> Error {
        self.position.refuse(format!("expected {expected}, found {}", shown(found)))
    }

    /// The error for an operator where a field name is expected.
    fn unknown_among_fields(&self, name: &str) -> Error {
        let remedy = match name {
            "$not" => "it stands under a field; to negate whole filters write $nor".to_owned(),
            name if OF_FIELDS.contains(&name) => {
                format!("it stands under a field, as in {{author: {{{name}: …}}}}")
            }
            name => remedy(name, &OF_DOCUMENTS),
        };
        self.position.refuse(format!(
            "expected a field or an operator of filters, found {}; {remedy}",
            cut(name)
        ))
    }

    /// The error for a name under a field that no operator has there.
    fn unknown_under_field(&self, name: &str) -> Error {
        let remedy = if OF_DOCUMENTS.contains(&name) {
            "it stands beside field names, not under one".to_owned()
        } else {
            remedy(name, &OF_FIELDS)
        };
        self.position.refuse(format!("expected an operator, found {}; {remedy}", cut(name)))
    }
}

fn negated(positive: Predicate) -> Predicate {
    Predicate::Not(Box::new(positive))
}

//! Random documents and filters, from few names and few values, so that filters often hold.
//!
//! Every operator occurs, with every kind of operand that it takes; numbers are small enough to be
//! exact as doubles, which the twin relies on.

use super::super::operators::OF_FIELDS;
use super::twin::PATTERNS;
use bson::raw::CString;
use bson::{Bson, DateTime, Document, Regex, bson, doc};

const NAMES: [&str; 4] = ["a", "b", "0", "1"];
const TEXTS: [&str; 6] = ["", "a", "b", "ab", "a\nb", "aB"];

/// A seeded source of documents and filters.
pub(super) struct Random {
    rng: fastrand::Rng,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())]
    }

    fn small(&mut self) -> i32 {
        self.rng.i32(0..3)
    }

    fn scalar(&mut self) -> Bson {
        let small = self.small();
        match self.rng.u8(..20) {
            0 | 1 => Bson::Null,
            2 => Bson::Undefined,
            3..=7 => Bson::Int32(small),
            8 => Bson::Int64(small.into()),
            9 => Bson::Double(self.pick(&[0.0, -0.0, 1.0, 1.5, -1.5, f64::NAN, f64::INFINITY])),
            10 => {
                let text = self.pick(&["0", "1.0", "1.5", "2E0", "NaN", "-1", "Infinity"]);
                Bson::Decimal128(text.parse().expect("a decimal"))
            }
            11..=14 => Bson::String(self.pick(&TEXTS).to_owned()),
            15 => Bson::Symbol(self.pick(&TEXTS).to_owned()),
            16 => Bson::Boolean(self.rng.bool()),
            17 => Bson::DateTime(DateTime::from_millis(small.into())),
            18 => self.regex(),
            _ => self.pick(&[Bson::MinKey, Bson::MaxKey].each_ref()).clone(),
        }
    }

    fn regex(&mut self) -> Bson {
        let (pattern, options, _) = self.pick(&PATTERNS);
        let text = |text: &str| CString::try_from(text).expect("no NUL");
        Bson::RegularExpression(Regex { pattern: text(pattern), options: text(options) })
    }

    fn value(&mut self, depth: u8) -> Bson {
        match self.rng.u8(..if depth == 0 { 4 } else { 10 }) {
            0..=3 => self.scalar(),
            4..=6 => Bson::Array((0..self.rng.u8(..5)).map(|_| self.value(depth - 1)).collect()),
            7 => Bson::Array(
                (0..self.rng.u8(..5)).map(|_| self.document(depth - 1).into()).collect(),
            ),
            _ => self.document(depth - 1).into(),
        }
    }

    pub(super) fn document(&mut self, depth: u8) -> Document {
        let fields = 0..self.rng.u8(..7);
        fields.map(|_| (self.pick(&NAMES).to_owned(), self.value(depth))).collect()
    }

    /// A document in which most of the paths lead to something.
    pub(super) fn document_about(&mut self, paths: &[String]) -> Document {
        let mut document = if self.rng.bool() { self.document(2) } else { Document::new() };
        for path in paths {
            if let Some((first, rest)) = path.split('.').collect::<Vec<_>>().split_first()
                && self.rng.u8(..6) > 0
            {
                document.insert(*first, self.leading_down(rest));
            }
        }
        document
    }

    fn leading_down(&mut self, path: &[&str]) -> Bson {
        match (path, self.rng.u8(..8)) {
            ([], 0) => self.value(2),
            ([], 1..=3) => Bson::Array((0..self.rng.u8(..4)).map(|_| self.frequent()).collect()),
            ([], _) => self.frequent(),
            (path, 0) => {
                Bson::Array((0..self.rng.u8(..4)).map(|_| self.leading_down(path)).collect())
            }
            ([_, rest @ ..], 1) => {
                Bson::Array((0..self.rng.u8(..4)).map(|_| self.leading_down(rest)).collect())
            }
            ([first, rest @ ..], _) => doc! { *first: self.leading_down(rest) }.into(),
        }
    }

    /// At most two numbers: four levels of filters then stay within the bound of numbers in paths.
    pub(super) fn path(&mut self) -> String {
        let mut names = vec![self.pick(&NAMES)];
        let more = self.pick(&[0, 0, 1, 1, 2]);
        names.extend((0..more).map(|at| self.pick(&NAMES[..if at == 0 { 4 } else { 2 }])));
        names.join(".")
    }

    pub(super) fn filter(&mut self, depth: u8) -> Document {
        let fields = self.pick(&[0, 1, 1, 1, 1, 2]);
        let mut filter = Document::new();
        for _ in 0..fields {
            match self.rng.u8(..if depth == 0 { 6 } else { 9 }) {
                0 => filter.insert(self.path(), self.value(1)),
                1 => filter.insert(self.path(), self.regex()),
                2..=5 => filter.insert(self.path(), self.operators(depth)),
                _ => {
                    let filters = 1..=self.rng.u8(1..=3);
                    let filters: Vec<_> = filters.map(|_| self.filter(depth - 1)).collect();
                    filter.insert(self.pick(&["$and", "$or", "$nor"]), filters)
                }
            };
        }
        if self.rng.u8(..20) == 0 {
            filter.insert("$comment", "ignored");
        }
        filter
    }

    fn operators(&mut self, depth: u8) -> Document {
        let mut operators = Document::new();
        for _ in 0..self.pick(&[1, 1, 1, 2]) {
            let name = self.pick(&OF_FIELDS);
            operators.extend(self.operator(name, depth));
        }
        operators
    }

    /// A filter of these paths and at times of others, most with operators that an index can serve.
    pub(super) fn about(&mut self, paths: &[String]) -> Document {
        const ORDERS: [&str; 4] = ["$gt", "$gte", "$lt", "$lte"];
        let mut filter = Document::new();
        for path in paths {
            let mut operators = Document::new();
            for _ in 0..self.pick(&[0, 1, 1, 1, 2]) {
                operators.extend(match self.rng.u8(..12) {
                    0 => doc! { self.pick(&ORDERS): self.small() },
                    1 => {
                        doc! { self.pick(&ORDERS): self.small(), self.pick(&ORDERS): self.small() }
                    }
                    3 => doc! { self.pick(&ORDERS): self.scalar_but_regex() },
                    4 | 5 => doc! { "$eq": self.frequent() },
                    6 | 7 => doc! { "$in": [self.frequent(), self.frequent(), self.scalar()] },
                    8 => {
                        let order = doc! { self.pick(&ORDERS): self.small() };
                        doc! { "$elemMatch": { "$gte": self.small(), "$not": order } }
                    }
                    9 => doc! { "$elemMatch": { "$gte": self.small(), "$lte": self.small() } },
                    10 => {
                        let name = self.pick(&OF_FIELDS);
                        self.operator(name, 1)
                    }
                    _ => self.operator("$regex", 1),
                });
            }
            match path.rsplit_once('.') {
                _ if operators.is_empty() => {}
                Some((outer, inner)) if self.rng.u8(..4) == 0 => {
                    filter.insert(outer, doc! { "$elemMatch": { inner: operators } });
                }
                _ => drop(filter.insert(path, operators)),
            }
        }
        if self.rng.u8(..4) == 0 {
            filter.extend(self.filter(1));
        }
        filter
    }

    fn frequent(&mut self) -> Bson {
        if self.rng.bool() { self.small().into() } else { self.scalar() }
    }

    fn scalar_but_regex(&mut self) -> Bson {
        match self.scalar() {
            Bson::RegularExpression(_) => Bson::Null,
            value => value,
        }
    }

    /// A filter of one path with one operator.
    pub(super) fn single(&mut self, name: &'static str) -> Document {
        doc! { self.path(): self.operator(name, 1) }
    }

    fn operator(&mut self, name: &'static str, depth: u8) -> Document {
        let operand = match name {
            "$not" | "$elemMatch" if depth == 0 => return doc! { "$exists": self.rng.bool() },
            "$regex" | "$options" => {
                let (pattern, options, _) = self.pick(&PATTERNS);
                return doc! { "$options": options, "$regex": pattern };
            }
            "$gt" | "$gte" | "$lt" | "$lte" | "$ne" => self.comparable(),
            "$in" | "$nin" => Bson::Array((0..self.small()).map(|_| self.value(1)).collect()),
            "$all" if depth > 0 && self.rng.u8(..3) == 0 => {
                let all = (0..self.small()).map(|_| self.operator("$elemMatch", depth - 1));
                // At depth 0 there is no `$elemMatch`, and nothing else may stand here.
                let all = all.filter(|one| one.contains_key("$elemMatch"));
                Bson::Array(all.map(Bson::from).collect())
            }
            "$all" => {
                let depth = self.pick(&[0, 0, 1]);
                Bson::Array((0..self.pick(&[0, 1, 1, 2])).map(|_| self.value(depth)).collect())
            }
            "$not" if self.rng.bool() => self.regex(),
            "$not" => self.operators(depth - 1).into(),
            "$elemMatch" if self.rng.bool() => self.operators(depth - 1).into(),
            "$elemMatch" => self.filter(depth - 1).into(),
            "$exists" => self.rng.bool().into(),
            "$size" => self.small().into(),
            "$mod" => bson!([self.pick(&[1, 2, -2, 3]), self.pick(&[0, 0, 1, -1])]),
            "$type" if self.rng.bool() => Bson::Array(vec![self.type_name(), self.type_name()]),
            "$type" => self.type_name(),
            _ => self.value(2),
        };
        doc! { name: operand }
    }

    /// A value that is no regex, and so may be compared with.
    fn comparable(&mut self) -> Bson {
        loop {
            match self.value(2) {
                Bson::RegularExpression(_) => {}
                value => return value,
            }
        }
    }

    fn type_name(&mut self) -> Bson {
        if self.rng.bool() {
            self.pick(&[1, 2, 3, 4, 6, 8, 9, 10, 11, 14, 16, 18, 19, -1, 127]).into()
        } else {
            self.pick(&["number", "string", "object", "array", "null", "int"]).into()
        }
    }
}

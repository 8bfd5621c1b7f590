//! What a filter says about others: whether every document that it wants is wanted by another too,
//! has a value under a path, or is one of a few alternatives.
//!
//! Called by the functions of [`super::Filter`] that plan searches; calls [`super::intervals`] to
//! compare conditions. "Yes" is always right, "no" may mean that it cannot be told. The rules:
//! * *A and B* implies what A implies or B implies; *A or B* what both imply, and the other way round
//!   for what is implied; *not A* implies *not B* when B implies A;
//! * a condition implies an equal one under the same path, and one that holds for all values whose
//!   keys its own may have;
//! * a condition that does not hold for a missing value implies that its path leads to one, and so
//!   does each path that it begins with.
//!
//! Cost: at most [`WORK_MAX`], so that filters of many parts give "no" and not a long wait.

use super::super::route::Route;
use super::intervals::Intervals;
use super::tree::{Condition, Node, Predicate};

/// Most work for two filters: one for each value of each list that is compared, and [`PAIR_WORK`]
/// for each pair of parts.
const WORK_MAX: usize = 1_000_000;

const PAIR_WORK: usize = 100;

pub(super) fn implies(this: &Node, other: &Node) -> bool {
    Search { work_left: WORK_MAX }.implies(Part::Node(this), Part::Node(other))
}

/// Whether the path surely leads to a value.
pub(super) fn requires(this: &Node, route: Route) -> bool {
    implies(this, &Node::Field(route, Predicate::Some(Condition::Exists)))
}

pub(super) fn is_all(node: &Node) -> bool {
    match node {
        Node::All(nodes) => nodes.iter().all(is_all),
        Node::Any(nodes) => nodes.iter().any(is_all),
        Node::Not(_) | Node::Field(..) => false,
    }
}

/// Calls `f` with each condition that has to hold: none of them is made of several such.
pub(super) fn each_conjunct(node: &Node, f: &mut dyn FnMut(Node)) {
    match node {
        Node::All(nodes) => nodes.iter().for_each(|node| each_conjunct(node, f)),
        Node::Any(nodes) if nodes.len() == 1 => {
            for only in nodes {
                each_conjunct(only, f);
            }
        }
        // Under a path each of them looks for a value of its own.
        Node::Field(route, Predicate::All(predicates)) => {
            for predicate in predicates {
                each_conjunct(&Node::Field(route.clone(), predicate.clone()), f);
            }
        }
        node => f(node.clone()),
    }
}

/// Calls `f` with the alternatives of each `$or` that has to hold.
pub(super) fn each_choice(node: &Node, f: &mut dyn FnMut(&[Node])) {
    match node {
        Node::All(nodes) => nodes.iter().for_each(|node| each_choice(node, f)),
        Node::Any(nodes) => match nodes.as_slice() {
            [only] => each_choice(only, f),
            nodes => f(nodes),
        },
        Node::Not(_) | Node::Field(..) => {}
    }
}

/// A part of a filter: one about a document, or a predicate with the path that it stands under.
#[derive(Clone, Copy)]
enum Part<'f> {
    Node(&'f Node),
    Under(&'f Route, &'f Predicate),
}

/// The parts that a part joins.
#[derive(Clone, Copy)]
enum Parts<'f> {
    Nodes(&'f [Node]),
    Under(&'f Route, &'f [Predicate]),
}

/// A part taken apart; the same for predicates as for nodes.
#[derive(Clone, Copy)]
enum Form<'f> {
    All(Parts<'f>),
    Any(Parts<'f>),
    Not(Part<'f>),
    One(&'f Route, &'f Condition),
}

impl<'f> Parts<'f> {
    fn iter(self) -> impl Iterator<Item = Part<'f>> {
        (0..).map_while(move |at| match self {
            Self::Nodes(nodes) => nodes.get(at).map(Part::Node),
            Self::Under(route, predicates) => {
                predicates.get(at).map(|predicate| Part::Under(route, predicate))
            }
        })
    }
}

impl<'f> Part<'f> {
    /// Two negations are none.
    fn form(self) -> Form<'f> {
        match self.outermost() {
            Form::Not(inner) => match inner.outermost() {
                Form::Not(innermost) => innermost.form(),
                _ => Form::Not(inner),
            },
            form => form,
        }
    }

    fn outermost(self) -> Form<'f> {
        match self {
            Self::Node(Node::All(nodes)) => Form::All(Parts::Nodes(nodes)),
            Self::Node(Node::Any(nodes)) => Form::Any(Parts::Nodes(nodes)),
            Self::Node(Node::Not(node)) => Form::Not(Self::Node(node)),
            Self::Node(Node::Field(route, predicate)) => Self::Under(route, predicate).outermost(),
            Self::Under(route, Predicate::All(all)) => Form::All(Parts::Under(route, all)),
            Self::Under(route, Predicate::Not(not)) => Form::Not(Self::Under(route, not)),
            Self::Under(route, Predicate::Some(condition)) => Form::One(route, condition),
        }
    }
}

/// A comparison of two filters, with the work that it may still do.
struct Search {
    work_left: usize,
}

impl Search {
    /// Each step goes down in one of the two, so that recursion is as deep as both together.
    fn implies(&mut self, this: Part<'_>, other: Part<'_>) -> bool {
        if !self.may_do(PAIR_WORK) {
            return false;
        }
        match (this.form(), other.form()) {
            (_, Form::All(others)) => others.iter().all(|other| self.implies(this, other)),
            (Form::Any(these), _) => these.iter().all(|this| self.implies(this, other)),
            (Form::All(these), Form::Any(others)) => {
                these.iter().any(|this| self.implies(this, other))
                    || others.iter().any(|other| self.implies(this, other))
            }
            (Form::All(these), _) => these.iter().any(|this| self.implies(this, other)),
            (_, Form::Any(others)) => others.iter().any(|other| self.implies(this, other)),
            (Form::Not(this), Form::Not(other)) => self.implies(other, this),
            (Form::Not(_), Form::One(..)) | (Form::One(..), Form::Not(_)) => false,
            (Form::One(route, this), Form::One(other_route, other)) => {
                self.condition_implies((route, this), (other_route, other))
            }
        }
    }

    /// Whether so much work is left, which is then done.
    fn may_do(&mut self, work: usize) -> bool {
        let left = self.work_left.checked_sub(work);
        self.work_left = left.unwrap_or_default();
        left.is_some()
    }

    fn condition_implies(
        &mut self,
        (route, this): (&Route, &Condition),
        (other_route, other): (&Route, &Condition),
    ) -> bool {
        if matches!(other, Condition::Exists) {
            let is_on_the_way = route.segments().starts_with(other_route.segments());
            return is_on_the_way && matches!(this.holds(None), Ok(false));
        }
        if route != other_route || !self.may_do(listed(this) + listed(other)) {
            return false;
        }
        if let (Condition::ElementDocument(this), Condition::ElementDocument(other)) = (this, other)
        {
            return self.implies(Part::Node(this), Part::Node(other));
        }
        let is_within = |other: Intervals| {
            let this = Intervals::of(this);
            other.is_exact && this.is_some_and(|this| this.is_within(&other))
        };
        this == other || Intervals::of(other).is_some_and(is_within)
    }
}

fn listed(condition: &Condition) -> usize {
    match condition {
        Condition::In { values, .. } => values.values().len(),
        _ => 0,
    }
}

//! [`Hint`]: which way to the documents of a filter somebody wants to be taken. The facade makes one of what a program says; ways
//! that it rules out are not looked for.

/// Which way to take, where somebody knows better than the race.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Hint {
    /// The cheapest.
    #[default]
    None,
    /// Over the index of this name.
    Index(String),
    /// Looks at documents.
    Scan,
}

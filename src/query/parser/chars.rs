//! Which characters and words mean something in a query text, typographic and full-width forms
//! included.
//!
//! The reader asks here when it reads and `print` when it writes, so the two agree. What is not named
//! here is text. All questions are answered per character, in constant time.

use crate::query::ast::Occur;

/// Quotes that may open and close each other: people mix them (`“a"`, `„a“`, `»a«`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuoteClass {
    /// `"`, its full-width form, and the curly and low ones.
    Double,
    /// `«` and `»`.
    Angle,
    /// `「` and `『`, and their half-width form.
    Corner,
}

/// Where a quote character may open a phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opens {
    /// Also inside a word: the character is an opening quote in every tradition, or in scripts without spaces.
    Anywhere,
    /// Not right after a letter or digit: there it is an inch sign (`5"`) or part of the word (`צה"ל`).
    NotAfterWord,
    /// Only where a word could begin: elsewhere it is the closing quote of something.
    AtStart,
    /// Never.
    Never,
}

fn quote(c: char) -> Option<(QuoteClass, Opens)> {
    Some(match c {
        '"' | '\u{FF02}' => (QuoteClass::Double, Opens::NotAfterWord),
        '“' | '„' | '‟' => (QuoteClass::Double, Opens::Anywhere),
        '”' => (QuoteClass::Double, Opens::AtStart),
        '«' => (QuoteClass::Angle, Opens::Anywhere),
        '»' => (QuoteClass::Angle, Opens::AtStart),
        '「' | '『' | '\u{FF62}' => (QuoteClass::Corner, Opens::Anywhere),
        '」' | '』' | '\u{FF63}' => (QuoteClass::Corner, Opens::Never),
        _ => return None,
    })
}

/// The class of the phrase that `c` opens where a word could begin.
pub(super) fn opens_at_start(c: char) -> Option<QuoteClass> {
    quote(c).filter(|&(_, opens)| opens != Opens::Never).map(|(class, _)| class)
}

/// Whether `c` ends a word by opening a phrase, given the character of the word before it.
pub(super) fn opens_after(c: char, previous: char) -> bool {
    match quote(c) {
        Some((_, Opens::Anywhere)) => true,
        Some((_, Opens::NotAfterWord)) => !previous.is_alphanumeric(),
        _ => false,
    }
}

/// Whether `c` closes a phrase of this class.
pub(super) fn closes(c: char, class: QuoteClass) -> bool {
    match class {
        QuoteClass::Corner => matches!(c, '」' | '』' | '\u{FF63}'),
        class => quote(c).is_some_and(|(other, _)| other == class),
    }
}

/// What a `+` or `-` in front of a word asks for. Dashes (`–`, `—`) are not operators: they are typed,
/// or put in by an editor, between words.
pub(super) fn operator(c: char) -> Option<Occur> {
    match c {
        '+' | '\u{FF0B}' | '\u{FE62}' => Some(Occur::Must),
        '-' | '\u{FF0D}' | '\u{FE63}' | '\u{2212}' => Some(Occur::MustNot),
        _ => None,
    }
}

/// Stands between a field and its value.
pub(super) fn is_colon(c: char) -> bool {
    matches!(c, ':' | '\u{FF1A}' | '\u{FE55}')
}

/// Opens a group at the start of a clause.
pub(super) fn is_opening(c: char) -> bool {
    matches!(c, '(' | '\u{FF08}')
}

/// Closes a group.
pub(super) fn is_closing(c: char) -> bool {
    matches!(c, ')' | '\u{FF09}')
}

/// Whether a backslash before `c` makes it text: every character that may mean something somewhere.
pub(super) fn is_special(c: char) -> bool {
    matches!(c, '\\' | '*' | '?' | '~' | '^' | '[' | ']' | '{' | '}' | '/' | '<' | '>')
        || operator(c).is_some()
        || quote(c).is_some()
        || is_colon(c)
        || is_opening(c)
        || is_closing(c)
}

/// A word that joins clauses when it stands alone, in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    And,
    Or,
    Not,
}

impl Keyword {
    pub(super) const ALL: [Keyword; 3] = [Keyword::And, Keyword::Or, Keyword::Not];

    /// How it is written.
    pub(super) fn text(self) -> &'static str {
        match self {
            Keyword::And => "AND",
            Keyword::Or => "OR",
            Keyword::Not => "NOT",
        }
    }
}

/// Whether the whole of `word` is a keyword.
pub(super) fn is_keyword(word: &str) -> bool {
    Keyword::ALL.iter().any(|keyword| keyword.text() == word)
}

/// The keyword that stands alone at the start of `rest`: before a gap, a parenthesis or a phrase.
pub(super) fn keyword(rest: &str) -> Option<Keyword> {
    Keyword::ALL.into_iter().find(|keyword| {
        let behind = rest.strip_prefix(keyword.text()).map(|behind| behind.chars().next());
        behind.is_some_and(|next| {
            next.is_none_or(|c| {
                is_separator(c) || is_opening(c) || is_closing(c) || opens_after(c, 'x')
            })
        })
    })
}

/// Stands between words: white space and control characters (NUL among them).
pub(super) fn is_separator(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// Direction marks and zero-width spaces, which pasted text has in front of a visible operator. The
/// joiners are not among them: emoji and several scripts need those.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{61C}' | '\u{202A}'..='\u{202E}'
        | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// Whether `c` can stand in a field name: a dotted path of names, in any script.
pub(super) fn is_field(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '$' | '@')
    } else {
        !(is_separator(c) || is_colon(c) || is_opening(c) || is_closing(c) || quote(c).is_some())
    }
}

/// A first character of a value that tells that the colon before it is no field's: `http://`, `std::`,
/// `C:\`.
pub(super) fn denies_field(c: char) -> bool {
    is_colon(c) || matches!(c, '/' | '\\')
}

/// Whether some index could hold a term of this text. Errs on the side of yes: the analyzer decides.
pub(super) fn is_searchable(text: &str) -> bool {
    text.chars().any(is_searched)
}

/// Whether `c` could be part of a term.
pub(super) fn is_searched(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    !(is_separator(c) || is_invisible(c) || is_special(c) || matches!(c, '\u{2010}'..='\u{205E}'))
}

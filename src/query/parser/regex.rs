//! Regular expressions: `/gr[ae]y/`, there and back.
//!
//! A slash opens one where a clause or a field's value begins, if the next slash without a backslash
//! stands before any gap. `\/` is a slash; every other backslash is the expression's own. Whether the
//! expression is sound is not asked here. Linear.

use super::chars::is_separator;
use crate::query::ast::Pattern;

/// The regular expression at the start of `rest`, and its length with both slashes.
pub(super) fn read(rest: &str) -> Option<(Pattern, usize)> {
    let body = rest.strip_prefix('/')?;
    let mut expression = String::new();
    let mut is_escaped = false;
    for (at, c) in body.char_indices() {
        if is_separator(c) {
            return None;
        }
        if c == '/' && is_escaped {
            expression.pop();
        } else if c == '/' {
            return (at > 0).then_some((Pattern::Regex(expression), at + 2));
        }
        expression.push(c);
        is_escaped = c == '\\' && !is_escaped;
    }
    None
}

/// The expression as it is written in a query.
pub(super) fn written(expression: &str) -> String {
    let mut written = String::with_capacity(expression.len() + 2);
    written.push('/');
    let mut is_escaped = false;
    for c in expression.chars() {
        if is_separator(c) {
            // Says the same, outside of the expression's verbose mode at least.
            written.extend(c.escape_unicode());
        } else {
            if c == '/' && !is_escaped {
                written.push('\\');
            }
            written.push(c);
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    written.push('/');
    written
}

//! Snowball's stemmer for Hindi, which `rust-stemmers` does not have.
//!
//! Called by `stem.rs`. The algorithm takes off the longest suffix of a list that leaves at least one character; of some suffixes
//! the character before has to be a consonant, and not the first of the word. After A. Ramanathan and D. Rao, "A Lightweight Stemmer for Hindi" (2003), as Snowball's
//! `hindi.sbl` has it; compared with all 65,118 words of Snowball's vocabulary. Cost: a look through suffixes of one last
//! character.

/// The stem of a word.
pub(super) fn stem(word: &str) -> &str {
    let first = word.chars().next().map_or(0, char::len_utf8);
    let rest = word.get(first..).unwrap_or_default();
    let longest = SUFFIXES.iter().filter_map(|suffix| bytes_of(suffix, rest)).max();
    word.get(..word.len() - longest.unwrap_or_default()).unwrap_or(word)
}

/// Bytes of a suffix, if `rest` ends with it.
fn bytes_of(suffix: &str, rest: &str) -> Option<usize> {
    let Some(bare) = suffix.strip_prefix('+') else {
        return rest.ends_with(suffix).then_some(suffix.len());
    };
    let before = rest.strip_suffix(bare)?;
    before.ends_with(is_consonant).then_some(bare.len())
}

fn is_consonant(c: char) -> bool {
    matches!(c, 'क'..='ह' | '\u{93C}' | '\u{958}'..='\u{95F}')
}

/// Suffixes; those with a plus sign need a consonant before them.
#[rustfmt::skip]
const SUFFIXES: &[&str] = &[
    "\u{940}", "\u{942}\u{902}\u{917}\u{940}", "\u{947}\u{902}\u{917}\u{940}", "\u{90A}\u{902}\u{917}\u{940}",
    "\u{906}\u{90A}\u{902}\u{917}\u{940}", "\u{93E}\u{90A}\u{902}\u{917}\u{940}", "\u{90F}\u{902}\u{917}\u{940}",
    "\u{906}\u{90F}\u{902}\u{917}\u{940}", "\u{93E}\u{90F}\u{902}\u{917}\u{940}", "\u{947}\u{917}\u{940}",
    "\u{94B}\u{917}\u{940}", "\u{90F}\u{917}\u{940}", "\u{906}\u{90F}\u{917}\u{940}", "\u{93E}\u{90F}\u{917}\u{940}",
    "\u{913}\u{917}\u{940}", "\u{906}\u{913}\u{917}\u{940}", "\u{93E}\u{913}\u{917}\u{940}", "+\u{924}\u{940}",
    "\u{905}\u{924}\u{940}", "\u{906}\u{924}\u{940}", "\u{93E}\u{924}\u{940}", "+\u{928}\u{940}", "\u{905}\u{928}\u{940}",
    "\u{906}\u{901}", "\u{93E}\u{901}", "\u{907}\u{92F}\u{93E}\u{901}", "\u{906}\u{907}\u{92F}\u{93E}\u{901}",
    "\u{93E}\u{907}\u{92F}\u{93E}\u{901}", "\u{93F}\u{92F}\u{93E}\u{901}", "\u{941}", "\u{940}\u{902}", "+\u{924}\u{940}\u{902}",
    "\u{905}\u{924}\u{940}\u{902}", "\u{906}\u{924}\u{940}\u{902}", "\u{93E}\u{924}\u{940}\u{902}", "\u{906}\u{902}",
    "\u{941}\u{906}\u{902}", "\u{909}\u{906}\u{902}", "\u{947}\u{902}", "\u{908}\u{902}", "\u{906}\u{908}\u{902}",
    "\u{93E}\u{908}\u{902}", "\u{94B}\u{902}", "\u{907}\u{92F}\u{94B}\u{902}", "\u{906}\u{907}\u{92F}\u{94B}\u{902}",
    "\u{93E}\u{907}\u{92F}\u{94B}\u{902}", "\u{93F}\u{92F}\u{94B}\u{902}", "\u{90F}\u{902}", "\u{941}\u{90F}\u{902}",
    "\u{906}\u{90F}\u{902}", "\u{909}\u{90F}\u{902}", "\u{93E}\u{90F}\u{902}", "+\u{924}\u{93E}\u{90F}\u{902}",
    "\u{905}\u{924}\u{93E}\u{90F}\u{902}", "+\u{928}\u{93E}\u{90F}\u{902}", "\u{905}\u{928}\u{93E}\u{90F}\u{902}",
    "\u{913}\u{902}", "\u{941}\u{913}\u{902}", "\u{906}\u{913}\u{902}", "\u{909}\u{913}\u{902}", "\u{93E}\u{913}\u{902}",
    "+\u{924}\u{93E}\u{913}\u{902}", "\u{905}\u{924}\u{93E}\u{913}\u{902}", "+\u{928}\u{93E}\u{913}\u{902}",
    "\u{905}\u{928}\u{93E}\u{913}\u{902}", "\u{93E}\u{902}", "\u{907}\u{92F}\u{93E}\u{902}",
    "\u{906}\u{907}\u{92F}\u{93E}\u{902}", "\u{93E}\u{907}\u{92F}\u{93E}\u{902}", "\u{93F}\u{92F}\u{93E}\u{902}", "\u{942}",
    "\u{905}", "\u{906}", "\u{907}", "\u{947}", "\u{947}\u{902}\u{917}\u{947}", "\u{90F}\u{902}\u{917}\u{947}",
    "\u{906}\u{90F}\u{902}\u{917}\u{947}", "\u{93E}\u{90F}\u{902}\u{917}\u{947}", "\u{94B}\u{917}\u{947}",
    "\u{913}\u{917}\u{947}", "\u{906}\u{913}\u{917}\u{947}", "\u{93E}\u{913}\u{917}\u{947}", "+\u{924}\u{947}",
    "\u{905}\u{924}\u{947}", "\u{906}\u{924}\u{947}", "\u{93E}\u{924}\u{947}", "+\u{928}\u{947}", "\u{905}\u{928}\u{947}",
    "\u{906}\u{928}\u{947}", "\u{93E}\u{928}\u{947}", "\u{908}", "\u{906}\u{908}", "\u{93E}\u{908}", "\u{909}", "\u{90A}",
    "\u{94B}", "\u{94D}", "\u{90F}", "\u{906}\u{90F}", "\u{907}\u{90F}", "\u{906}\u{907}\u{90F}", "\u{93E}\u{907}\u{90F}",
    "\u{93E}\u{90F}", "\u{93F}\u{90F}", "\u{913}", "\u{906}\u{913}", "\u{93E}\u{913}", "+\u{915}\u{930}", "\u{905}\u{915}\u{930}",
    "\u{906}\u{915}\u{930}", "\u{93E}\u{915}\u{930}", "\u{93E}", "\u{942}\u{902}\u{917}\u{93E}", "\u{90A}\u{902}\u{917}\u{93E}",
    "\u{906}\u{90A}\u{902}\u{917}\u{93E}", "\u{93E}\u{90A}\u{902}\u{917}\u{93E}", "\u{947}\u{917}\u{93E}",
    "\u{90F}\u{917}\u{93E}", "\u{906}\u{90F}\u{917}\u{93E}", "\u{93E}\u{90F}\u{917}\u{93E}", "+\u{924}\u{93E}",
    "\u{905}\u{924}\u{93E}", "\u{906}\u{924}\u{93E}", "\u{93E}\u{924}\u{93E}", "+\u{928}\u{93E}", "\u{905}\u{928}\u{93E}",
    "\u{906}\u{928}\u{93E}", "\u{93E}\u{928}\u{93E}", "\u{906}\u{92F}\u{93E}", "\u{93E}\u{92F}\u{93E}", "\u{93F}",
];

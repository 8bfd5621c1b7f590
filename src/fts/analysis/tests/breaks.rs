//! Words against Unicode's own samples of word breaks, and the short way of ASCII against the long one. The samples are all
//! 1,944 of Unicode 17, the version that `unicode-segmentation` has.

use unicode_segmentation::UnicodeSegmentation;

use super::*;

const SAMPLES: &str = include_str!("../../../../tests/data/unicode/WordBreakTest.txt");

/// The segments of a line of samples.
fn segments(line: &str) -> Vec<String> {
    let between = line.split('÷').map(str::trim).filter(|segment| !segment.is_empty());
    let text = |segment: &str| {
        let codes = segment.split('×').map(|code| u32::from_str_radix(code.trim(), 16).unwrap());
        codes.map(|code| char::from_u32(code).unwrap()).collect()
    };
    between.map(text).collect()
}

#[test]
fn words_break_where_unicode_says() {
    let plain = plain();
    let mut count = 0;
    for line in SAMPLES.lines().filter(|line| !line.starts_with('#')) {
        let expected = segments(line);
        let text = expected.concat();
        assert_eq!(text.split_word_bounds().collect::<Vec<_>>(), expected, "{line}");
        // What an analyzer adds: only segments with a letter or a digit count, and pairs cut further.
        let (mut at, mut words, mut paired) = (0, Vec::new(), Vec::new());
        for segment in &expected {
            let bytes = (at, at + segment.len());
            if plain.has_pairs(segment) {
                paired.push(bytes);
            } else if segment.chars().any(char::is_alphanumeric) {
                words.push(bytes);
            }
            at += segment.len();
        }
        let (found, _) = tokens(&plain, &text);
        let found = found.iter().map(|found| (found.2, found.3));
        let is_in = |(start, end): (usize, usize)| {
            paired.iter().any(|&(from, to)| from <= start && end <= to)
        };
        let found: Vec<_> = found.filter(|&found| !is_in(found)).collect();
        assert_eq!(found, words, "{line}");
        count += 1;
    }
    assert_eq!(count, 1944);
}

#[test]
fn ascii_goes_a_shorter_way_to_the_same_words() {
    let pieces = [
        "a", "Z", "gold", "7", "42", "'", ".", ",", ";", ":", "_", "-", " ", "\n", "\r", "\t",
        "\"", "@", "/", "(", "\0", "~", "s",
    ];
    let mut random = fastrand::Rng::with_seed(17);
    for _ in 0..20_000 {
        let text: String =
            (0..random.usize(0..14)).map(|_| pieces[random.usize(..pieces.len())]).collect();
        // Far behind what matters, and enough to need all rules.
        let long = format!("{text} é");
        let mut slow = tokens(&plain(), &long).0;
        slow.pop();
        assert_eq!(tokens(&plain(), &text).0, slow, "{text:?}");
        let bounds = text.split_word_bound_indices();
        let words = bounds.filter(|(_, word)| word.chars().any(char::is_alphanumeric));
        let bytes: Vec<_> = words.map(|(start, word)| (start, start + word.len())).collect();
        let found: Vec<_> = slow.iter().map(|found| (found.2, found.3)).collect();
        assert_eq!(found, bytes, "{text:?}");
    }
}

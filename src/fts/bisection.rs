//! An order of documents in which similar ones are neighbours, by recursive graph bisection.
//!
//! Gaps between the documents of a term are short where documents that share terms stand together, so that postings take less
//! room, fewer windows hold a term, and their bounds tell more. Documents are split into two halves; whoever has more in common
//! with the other half changes places with somebody there, until nobody gains; then each half is split in the same way.
//!
//! The collection layer asks for it when it copies documents into a new file; this knows numbers only. Invariant: the result
//! depends on the terms alone, not on threads. Cost: some twenty passes over all terms of all documents for each level, of which there
//! are as many as halvings down to [`LEAF_LEN`]; four bytes a term and document, and twenty a document.
//!
//! Source: Dhulipala, Kabiljo, Karrer, Ottaviano, Pupyrev, Shalita: *Compressing graphs and indexes with recursive graph
//! bisection*, KDD 2016; and what Mackenzie, Mallia, Petri, Culpepper, Suel found out about it in *Compressing inverted indexes
//! with recursive graph bisection*, ECIR 2019.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::mem;

/// Documents that are not split further: a block of postings sees no difference.
const LEAF_LEN: usize = 32;
/// Rounds of changing places, if they do not end by themselves.
const ROUNDS_MAX: usize = 20;

/// The terms of documents, as numbers below a bound.
#[derive(Debug)]
pub struct Forward {
    /// Where the terms of each document begin, and the last ones end.
    starts: Vec<usize>,
    terms: Vec<u32>,
    terms_len: usize,
}

impl Forward {
    /// Documents with so many terms each, all of them 0 so far.
    pub fn new(counts: &[u32], terms_len: usize) -> Self {
        let mut starts = Vec::with_capacity(counts.len() + 1);
        let mut end = 0;
        starts.push(end);
        for &count in counts {
            end += count as usize;
            starts.push(end);
        }
        Forward { starts, terms: vec![0; end], terms_len }
    }

    /// Sets the term at `place` of a document.
    ///
    /// # Panics
    /// When the document has no such place, or there is no such term.
    pub fn set(&mut self, document: u32, place: u32, term: u32) {
        assert!((term as usize) < self.terms_len, "term {term} of {}", self.terms_len);
        let (document, place) = (document as usize, place as usize);
        let range = self.starts[document]..self.starts[document + 1];
        self.terms[range][place] = term;
    }

    fn of(&self, document: u32) -> &[u32] {
        let document = document as usize;
        &self.terms[self.starts[document]..self.starts[document + 1]]
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }
}

/// The documents in an order in which similar ones are neighbours; uses the thread pool that it is called in.
pub fn bisect(forward: &Forward) -> Vec<u32> {
    let mut order: Vec<u32> = (0..).take(forward.len()).collect();
    let logarithms = Logarithms::up_to(forward.len() + 1);
    split(forward, &logarithms, &mut order);
    order
}

fn split(forward: &Forward, logarithms: &Logarithms, documents: &mut [u32]) {
    if documents.len() <= LEAF_LEN {
        documents.sort_unstable();
        return;
    }
    let (left, right) = documents.split_at_mut(documents.len() / 2);
    HALVES.with_borrow_mut(|halves| halves.separate(forward, logarithms, left, right));
    rayon::join(|| split(forward, logarithms, left), || split(forward, logarithms, right));
}

/// Binary logarithms of whole numbers, of which the same ones are asked for again and again.
struct Logarithms(Vec<f64>);

impl Logarithms {
    fn up_to(last: usize) -> Self {
        let last = u32::try_from(last).unwrap_or(u32::MAX);
        Logarithms((0..=last).map(|number| f64::from(number.max(1)).log2()).collect())
    }

    /// About how many bits the gaps of a term take that `count` of `all` documents hold.
    fn bits(&self, all: usize, count: u32) -> f64 {
        f64::from(count) * (self.0[all] - self.0[count as usize + 1])
    }
}

thread_local! {
    /// Grown to the number of terms once, by each thread of a pool that ends with the bisection.
    static HALVES: RefCell<Halves> = RefCell::default();
}

/// Two halves that change documents. Between two calls all counts are 0.
#[derive(Default)]
struct Halves {
    /// Of each term, how many documents of the left and of the right half hold it.
    counts: Vec<[u32; 2]>,
    /// Of each term, how many bits are gained when a document that holds it leaves the left half or the right one.
    gains: Vec<[f64; 2]>,
    /// Terms that occur.
    occurring: Vec<u32>,
    /// Documents of each half, and what is gained when they leave it.
    leaving: [Vec<(f64, u32)>; 2],
}

impl Halves {
    fn separate(
        &mut self,
        forward: &Forward,
        logarithms: &Logarithms,
        left: &mut [u32],
        right: &mut [u32],
    ) {
        self.counts.resize(forward.terms_len, [0; 2]);
        self.gains.resize(forward.terms_len, [0.0; 2]);
        for (half, documents) in [&*left, &*right].into_iter().enumerate() {
            for &term in documents.iter().flat_map(|&document| forward.of(document)) {
                let counts = &mut self.counts[term as usize];
                if *counts == [0; 2] {
                    self.occurring.push(term);
                }
                counts[half] += 1;
            }
        }
        for _ in 0..ROUNDS_MAX {
            self.find_gains(logarithms, [left.len(), right.len()]);
            for (half, documents) in [&*left, &*right].into_iter().enumerate() {
                let gain = |&term: &u32| self.gains[term as usize][half];
                let of = |&document: &u32| (forward.of(document).iter().map(gain).sum(), document);
                self.leaving[half].clear();
                self.leaving[half].extend(documents.iter().map(of));
                self.leaving[half].sort_unstable_by(by_gain);
            }
            if !self.change_places(forward) {
                break;
            }
            for (documents, leaving) in [&mut *left, &mut *right].into_iter().zip(&self.leaving) {
                documents.iter_mut().zip(leaving).for_each(|(to, &(_, document))| *to = document);
            }
        }
        for term in self.occurring.drain(..) {
            self.counts[term as usize] = [0; 2];
        }
    }

    fn find_gains(&mut self, logarithms: &Logarithms, sizes: [usize; 2]) {
        for &term in &self.occurring {
            let [left, right] = self.counts[term as usize];
            let bits =
                |left, right| logarithms.bits(sizes[0], left) + logarithms.bits(sizes[1], right);
            let now = bits(left, right);
            self.gains[term as usize] = [
                if left > 0 { now - bits(left - 1, right + 1) } else { 0.0 },
                if right > 0 { now - bits(left + 1, right - 1) } else { 0.0 },
            ];
        }
    }

    /// Lets those change places who gain by it together, who gains most first; whether anybody did.
    fn change_places(&mut self, forward: &Forward) -> bool {
        let [left, right] = &mut self.leaving;
        let mut changed = false;
        for (one, other) in left.iter_mut().zip(right) {
            if one.0 + other.0 <= 0.0 {
                break;
            }
            for (document, from) in [(one.1, 0), (other.1, 1)] {
                for &term in forward.of(document) {
                    let counts = &mut self.counts[term as usize];
                    counts[from] -= 1;
                    counts[1 - from] += 1;
                }
            }
            mem::swap(one, other);
            changed = true;
        }
        changed
    }
}

/// Who gains most first.
fn by_gain(left: &(f64, u32), right: &(f64, u32)) -> Ordering {
    right.0.total_cmp(&left.0).then(left.1.cmp(&right.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Documents with these terms.
    fn forward(documents: &[Vec<u32>], terms_len: usize) -> Forward {
        let counts: Vec<u32> =
            documents.iter().map(|terms| terms.len().try_into().unwrap()).collect();
        let mut forward = Forward::new(&counts, terms_len);
        for (document, terms) in (0..).zip(documents) {
            for (place, &term) in (0..).zip(terms) {
                forward.set(document, place, term);
            }
        }
        forward
    }

    /// Bits of all gaps in an order.
    fn bits(documents: &[Vec<u32>], order: &[u32], terms_len: usize) -> f64 {
        let (mut last, mut bits) = (vec![0; terms_len], 0.0);
        for (place, &document) in (1..).zip(order) {
            for &term in &documents[document as usize] {
                let before = mem::replace(&mut last[term as usize], place);
                bits += f64::from(place - before).log2() + 1.0;
            }
        }
        bits
    }

    /// Documents about one of a few topics each, some words of which they share with all others.
    fn topical(rng: &mut fastrand::Rng, documents: usize, topics: u32) -> Vec<Vec<u32>> {
        let one = |rng: &mut fastrand::Rng| {
            let topic = rng.u32(..topics);
            let mut terms: Vec<u32> = (0..rng.usize(..30))
                .map(|_| {
                    if rng.u8(..4) > 0 {
                        topic * 50 + rng.u32(..50)
                    } else {
                        topics * 50 + rng.u32(..20)
                    }
                })
                .collect();
            terms.sort_unstable();
            terms.dedup();
            terms
        };
        (0..documents).map(|_| one(rng)).collect()
    }

    #[test]
    fn all_documents_come_back_in_an_order_whose_gaps_take_fewer_bits() {
        let mut rng = fastrand::Rng::with_seed(1);
        for (len, topics) in [(0, 1), (1, 1), (33, 2), (1000, 4), (3000, 16)] {
            let documents = topical(&mut rng, len, topics);
            let terms_len = topics as usize * 50 + 20;
            let order = bisect(&forward(&documents, terms_len));
            let mut sorted = order.clone();
            sorted.sort_unstable();
            let natural: Vec<u32> = (0..u32::try_from(len).unwrap()).collect();
            assert_eq!(sorted, natural);
            if topics > 2 {
                let [before, after] =
                    [&natural, &order].map(|order| bits(&documents, order, terms_len));
                assert!(after < before * 0.75, "{after} of {before} bits, {topics} topics");
            }
        }
    }

    #[test]
    fn the_order_does_not_depend_on_the_number_of_threads() {
        let mut rng = fastrand::Rng::with_seed(2);
        let documents = topical(&mut rng, 2000, 8);
        let forward = forward(&documents, 420);
        let [one, four] = [1, 4].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| bisect(&forward))
        });
        assert_eq!(one, four);
    }

    #[test]
    fn documents_without_terms_stay_where_they_are() {
        let documents = vec![Vec::new(); 100];
        assert!(bisect(&forward(&documents, 0)).into_iter().eq(0..100));
    }
}

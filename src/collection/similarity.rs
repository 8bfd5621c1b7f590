//! [`similar_order`]: the documents of a collection in an order in which those that share words are neighbours.
//!
//! The facade asks for it when it copies a collection into a new file. The words are those of a text index, read from its postings;
//! how documents are ordered by them, `fts` knows. Where memory does not reach for all words, the rarest are left out, which
//! tell least about most documents. Cost: a pass over the documents, three over the index, and the bisection.

use super::error::Result;
use super::read::CollectionReader;
use crate::fts::{DocId, FieldId, Forward, Postings, TextReader, bisect};

/// Bytes that the bisection takes for a word of a document.
const WORD_BYTES: usize = size_of::<u32>();

/// All living documents, those that share words near each other; in the order of their numbers where there is no text index.
///
/// The first index that the collection has is read, the one named `default` if there is one. Takes about `bytes_max` bytes, and thirty a
/// document.
///
/// # Errors
/// Those of reading the index.
pub fn similar_order(collection: &CollectionReader<'_>, bytes_max: usize) -> Result<Vec<DocId>> {
    let living = Living::find(collection)?;
    let indexes = &collection.definition().indexes;
    let index = indexes.iter().find(|index| index.name == super::DEFAULT_TEXT_INDEX);
    let is_small = u32::try_from(living.documents.len()).is_ok();
    let Some(index) = index.or(indexes.first()).filter(|_| is_small) else {
        return Ok(living.documents);
    };
    let reader = collection.text_index(Some(&index.name))?;
    let chosen = choose(&reader, &living, bytes_max / WORD_BYTES)?;
    let mut forward = Forward::new(&chosen.counts, chosen.terms_len);
    let mut places = vec![0; living.documents.len()];
    let mut number = 0;
    each_term(&reader, &living, &mut |documents| {
        if documents.len() >= chosen.df_min {
            for &document in documents {
                let place = &mut places[document as usize];
                forward.set(document, *place, number);
                *place += 1;
            }
            number += 1;
        }
    })?;
    let pool = rayon::ThreadPoolBuilder::new().build();
    let order = match pool {
        Ok(pool) => pool.install(|| bisect(&forward)),
        Err(_) => bisect(&forward),
    };
    Ok(order.into_iter().map(|document| living.documents[document as usize]).collect())
}

/// The living documents, whose places are their numbers.
struct Living {
    documents: Vec<DocId>,
}

impl Living {
    /// Those that are stored: what the catalog says of their number is not asked.
    fn find(collection: &CollectionReader<'_>) -> Result<Self> {
        let documents = collection.documents()?.map(|found| Ok(found?.0));
        Ok(Living { documents: documents.collect::<Result<_>>()? })
    }

    /// Number of the first document of a chunk, and all of its documents.
    fn of_chunk(&self, chunk: u32) -> (usize, &[DocId]) {
        let start = self.documents.partition_point(|doc| doc.chunk() < chunk);
        let (_, rest) = self.documents.split_at(start);
        (start, &rest[..rest.partition_point(|doc| doc.chunk() == chunk)])
    }
}

/// The place of the document at `offset` among those of its chunk, which is at the offset itself where none before is dead.
fn place_of(documents: &[DocId], offset: u16) -> Option<usize> {
    let place = usize::from(offset);
    if documents.get(place).is_some_and(|doc| doc.offset() == offset) {
        return Some(place);
    }
    documents.binary_search_by_key(&offset, |doc| doc.offset()).ok()
}

/// Which terms are used.
struct Chosen {
    /// They are in so many documents, or more.
    df_min: usize,
    terms_len: usize,
    /// How many of them each document has.
    counts: Vec<u32>,
}

/// The most frequent terms, of which documents have no more than `postings_max` together; none that only one has.
fn choose(reader: &TextReader<'_>, living: &Living, postings_max: usize) -> Result<Chosen> {
    let mut dfs = Vec::new();
    each_term(reader, living, &mut |documents| dfs.push(documents.len()))?;
    dfs.sort_unstable_by(|left, right| right.cmp(left));
    let mut postings = 0_usize;
    let fits = |df: &&usize| {
        postings = postings.saturating_add(**df);
        **df > 1 && postings <= postings_max
    };
    let terms_len = dfs.iter().take_while(fits).count();
    // Of terms that are equally frequent all are used or none.
    let df_min = dfs.get(terms_len).map_or(2, |df| df + 1).max(2);
    let terms_len = dfs.partition_point(|&df| df >= df_min);
    let mut counts = vec![0; living.documents.len()];
    each_term(reader, living, &mut |documents| {
        if documents.len() >= df_min {
            for &document in documents {
                counts[document as usize] += 1;
            }
        }
    })?;
    Ok(Chosen { df_min, terms_len, counts })
}

/// Passes the numbers of the living documents of each term to `visit`; neither pairs nor paths are terms.
fn each_term(
    reader: &TextReader<'_>,
    living: &Living,
    visit: &mut dyn FnMut(&[u32]),
) -> Result<()> {
    let (mut current, mut documents) = (None, Vec::new());
    reader.each_entry(&mut |key, value| -> Result<()> {
        if key.field.is_reserved() {
            return Ok(());
        }
        let is_current = current.as_ref().is_some_and(|(field, term): &(FieldId, Vec<u8>)| {
            *field == key.field && *term == *key.term
        });
        if !is_current {
            if current.is_some() {
                visit(&documents);
            }
            documents.clear();
            current = Some((key.field, key.term.to_vec()));
        }
        let postings = Postings::parse(value).map_err(crate::fts::Error::from)?;
        let (first, of_chunk) = living.of_chunk(key.chunk);
        let each = postings.each(&mut |offset, _| {
            let number = place_of(of_chunk, offset).map(|place| u32::try_from(first + place));
            documents.extend(number.and_then(Result::ok));
            Ok(())
        });
        Ok(each.map_err(crate::fts::Error::from)?)
    })?;
    if current.is_some() {
        visit(&documents);
    }
    Ok(())
}

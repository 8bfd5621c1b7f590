//! [`OpenSet`]: the documents that a leaf of a plan stands for, while it is searched: bits of a set, or what columns say.
//!
//! The searcher opens one for each set of a plan; `lists` shows a chunk of it like the list of a word. Nothing is made into postings:
//! sets are bits already, and what columns say is found out for the windows that are looked at. Invariant: counts are never below
//! the number of documents. Cost: of a window of a set none, of one in columns some microseconds.

use std::cell::{Cell, OnceCell};
use std::sync::Arc;

use crate::collection::{ColumnDocuments, ColumnDocumentsChunk};
use crate::fts::{DocumentSet, WINDOW_LEN, WINDOWS_LEN};
use crate::kernels::{Bitmap, Kernels};

/// Documents that a leaf stands for.
#[derive(Debug, Clone)]
pub(super) enum OpenSet {
    /// These.
    Gathered(Arc<DocumentSet>),
    /// Those that columns say.
    InColumns(Arc<ColumnDocuments>),
}

/// Those of a chunk.
#[derive(Debug, Clone, Copy)]
pub(super) enum SetChunk<'a> {
    Gathered(&'a [Bitmap; WINDOWS_LEN]),
    InColumns(ColumnDocumentsChunk<'a>),
}

/// Those of a window.
#[derive(Debug)]
pub(super) enum SetWindow<'a> {
    Known(&'a Bitmap),
    InColumns(Box<InColumns<'a>>),
}

/// What columns say of a window.
#[derive(Debug)]
pub(super) struct InColumns<'a> {
    documents: ColumnDocumentsChunk<'a>,
    number: usize,
    /// Documents that were looked up alone.
    looked_up: Cell<u16>,
    /// All of them, once many were asked for.
    window: OnceCell<Box<Bitmap>>,
}

static NONE: Bitmap = [0; WINDOW_LEN / 8];
/// Documents of a window that are looked up alone before all are found out.
const LOOKED_UP_LEN_MAX: u16 = 128;
/// The same where documents have several values, which are found out for a whole window at a greater cost.
const LOOKED_UP_OF_SEVERAL_LEN_MAX: u16 = 512;

impl OpenSet {
    /// The chunks that may have documents, ascending.
    pub(super) fn chunks(&self) -> Vec<u32> {
        match self {
            OpenSet::Gathered(documents) => documents.chunks().map(|(chunk, _)| chunk).collect(),
            OpenSet::InColumns(documents) => documents.chunks().collect(),
        }
    }

    /// The documents of a chunk, if it may have some.
    pub(super) fn in_chunk(&self, chunk: u32) -> Option<SetChunk<'_>> {
        match self {
            OpenSet::Gathered(documents) => documents.in_chunk(chunk).map(SetChunk::Gathered),
            OpenSet::InColumns(documents) => documents.in_chunk(chunk).map(SetChunk::InColumns),
        }
    }
}

impl<'a> SetChunk<'a> {
    /// Number of documents of each window, at most.
    pub(super) fn counts(&self) -> [u16; WINDOWS_LEN] {
        let all = u16::try_from(WINDOW_LEN).unwrap_or(u16::MAX);
        match self {
            SetChunk::Gathered(windows) => std::array::from_fn(|number| {
                u16::try_from(Kernels::best().count_bits(&windows[number])).unwrap_or(all)
            }),
            SetChunk::InColumns(_) => [all; WINDOWS_LEN],
        }
    }

    /// Whether counts are not only bounds.
    pub(super) fn has_exact_counts(&self) -> bool {
        matches!(self, SetChunk::Gathered(_))
    }

    /// The documents of a window.
    pub(super) fn window(&self, number: usize) -> SetWindow<'a> {
        match self {
            SetChunk::Gathered(windows) => SetWindow::Known(windows.get(number).unwrap_or(&NONE)),
            SetChunk::InColumns(documents) => SetWindow::InColumns(Box::new(InColumns {
                documents: *documents,
                number,
                looked_up: Cell::new(0),
                window: OnceCell::new(),
            })),
        }
    }
}

impl SetWindow<'_> {
    /// Says that it will be asked about so many documents: where these are many, all are found out at once.
    pub(super) fn prepare_for(&self, count: usize) {
        if let SetWindow::InColumns(window) = self
            && count > window.looked_up_len_max().into()
        {
            window.all();
        }
    }

    /// All documents.
    pub(super) fn all(&self) -> &Bitmap {
        match self {
            SetWindow::Known(window) => window,
            SetWindow::InColumns(window) => window.all(),
        }
    }

    /// Whether the document at an offset from the window's start is one of them, where that is cheaper to say than which all are.
    pub(super) fn holds_alone(&self, offset: u16) -> Option<bool> {
        let SetWindow::InColumns(window) = self else { return None };
        if window.window.get().is_some() || window.looked_up.get() >= window.looked_up_len_max() {
            return None;
        }
        window.looked_up.set(window.looked_up.get() + 1);
        Some(window.documents.contains(window.number, offset))
    }
}

impl InColumns<'_> {
    fn looked_up_len_max(&self) -> u16 {
        if self.documents.has_several() { LOOKED_UP_OF_SEVERAL_LEN_MAX } else { LOOKED_UP_LEN_MAX }
    }

    fn all(&self) -> &Bitmap {
        self.window.get_or_init(|| Box::new(self.documents.window(self.number)))
    }
}

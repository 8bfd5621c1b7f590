//! [`SourceOptions`]: how sources are read, where that is not to be told from their content. Every kind of source takes from it
//! what concerns it; [`Source::open`](crate::Source::open) hands it on.

use encoding_rs::Encoding;

use crate::format::Format;

/// Largest record in bytes as a source has it. A document has at most 64 MiB, and JSON seldom takes three times that.
pub const RECORD_BYTES_MAX: usize = 192 << 20;

/// How a source is read.
///
/// ```
/// use alluvium_sources::{Format, Source, SourceOptions, Typing};
///
/// let options = SourceOptions::new().format(Format::Csv).typing(Typing::Text);
/// let mut source = Source::from_reader("-", &b"river,km\nLoire,1006\n"[..], &options)?;
/// assert_eq!(source.next().unwrap()?.document.unwrap().get_str("km").unwrap(), "1006");
/// # Ok::<(), alluvium_sources::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// What the source is; without it, content and name tell.
    pub format: Option<Format>,
    /// What text is encoded in. Without it, text is UTF-8, or what its byte order mark says; files of folders are looked at.
    pub encoding: Option<&'static Encoding>,
    /// Largest record in bytes as the source has it; larger ones are refused. Default: [`RECORD_BYTES_MAX`].
    pub record_bytes_max: usize,
    /// Names of the columns of a table that has no header.
    pub columns: Vec<String>,
    /// What cells of tables become. Default: what they say.
    pub typing: Typing,
    /// What the cells of some columns become, by name of the column.
    pub column_types: Vec<(String, ColumnType)>,
    /// Collections of a dump to read, by name or namespace (`rivers`, `atlas.rivers`); empty for all.
    pub collections: Vec<String>,
}

/// What cells of tables become.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Typing {
    /// Numbers and booleans where writing them gives the very same text: `1006`, `0.5` and `true`, but not `007`, `1.50` or `+1`.
    #[default]
    Lossless,
    /// Strings.
    Text,
}

/// What cells of one column become; a cell that cannot is refused with its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// A string.
    Text,
    /// An int32 or int64, whichever is the smallest.
    Int,
    /// A double.
    Double,
    /// A boolean: true, false, yes, no, 1 or 0.
    Bool,
    /// A date as of RFC 3339, or a day.
    Date,
}

impl SourceOptions {
    /// What suits most sources.
    pub fn new() -> Self {
        SourceOptions {
            format: None,
            encoding: None,
            record_bytes_max: RECORD_BYTES_MAX,
            columns: Vec::new(),
            typing: Typing::default(),
            column_types: Vec::new(),
            collections: Vec::new(),
        }
    }

    /// Says what the source is.
    pub fn format(mut self, format: impl Into<Option<Format>>) -> Self {
        self.format = format.into();
        self
    }

    /// Says what text is encoded in.
    pub fn encoding(mut self, encoding: impl Into<Option<&'static Encoding>>) -> Self {
        self.encoding = encoding.into();
        self
    }

    /// Says what text is encoded in by a name that the Encoding Standard knows (`windows-1252`, `shift_jis`); `None` when it does
    /// not know it.
    pub fn encoding_named(self, name: &str) -> Option<Self> {
        Encoding::for_label(name.as_bytes()).map(|encoding| self.encoding(encoding))
    }

    /// Refuses records that are larger than this.
    pub fn record_bytes_max(mut self, bytes: usize) -> Self {
        self.record_bytes_max = bytes;
        self
    }

    /// Names the columns of a table that has no header.
    pub fn columns(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.columns = names.into_iter().map(Into::into).collect();
        self
    }

    /// Says what cells of tables become.
    pub fn typing(mut self, typing: Typing) -> Self {
        self.typing = typing;
        self
    }

    /// Says what the cells of one column become.
    pub fn column_type(mut self, column: impl Into<String>, becomes: ColumnType) -> Self {
        self.column_types.push((column.into(), becomes));
        self
    }

    /// Reads only these collections of a dump.
    pub fn collections(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.collections = names.into_iter().map(Into::into).collect();
        self
    }
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self::new()
    }
}

//! [`DumpedCollection`]: a collection that a dump holds, how it is called here, and which of them are read.
//!
//! Archives and folders of mongodump list what they hold; [`choose`] leaves out what is not data of users, and what was not
//! asked for. A dump of one database gives its collections their own names, one of several `database.collection`.

use std::collections::BTreeSet;

use alluvium::bson::parse_json;

use crate::indexes::DumpedIndexes;

/// Databases that the server keeps for itself.
const SERVER_DATABASES: [&str; 3] = ["admin", "config", "local"];

/// A collection that a dump holds.
#[derive(Debug, Clone, PartialEq)]
pub struct DumpedCollection {
    /// `database.collection`, as it was.
    pub namespace: String,
    /// Its name here.
    pub name: String,
    /// What its indexes become.
    pub indexes: DumpedIndexes,
}

/// What a dump says of a collection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listed {
    pub(crate) database: String,
    pub(crate) collection: String,
    /// A line of extended JSON, or nothing.
    pub(crate) metadata: String,
    /// `collection`, `view` or `timeseries`; older dumps say nothing.
    pub(crate) kind: String,
}

impl Listed {
    pub(crate) fn namespace(&self) -> String {
        format!("{}.{}", self.database, self.collection)
    }
}

/// The string of this name in a line of metadata.
pub(crate) fn metadata_text(metadata: &str, name: &str) -> Option<String> {
    parse_json(metadata).ok()?.get_str(name).ok().map(str::to_owned)
}

/// What is read of a dump.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    pub(crate) collections: Vec<DumpedCollection>,
    /// What is left out although users may want it.
    pub(crate) warnings: Vec<String>,
}

/// Chooses those of `wanted`, by name or namespace, or all of users. An error says which is not there.
pub(crate) fn choose(listed: &[Listed], wanted: &[String]) -> Result<Chosen, String> {
    let mut chosen = Chosen::default();
    let ours = |listed: &&Listed| {
        !listed.database.is_empty()
            && !SERVER_DATABASES.contains(&listed.database.as_str())
            && !listed.collection.starts_with("system.")
    };
    for listed in listed.iter().filter(ours) {
        let reason = match listed.kind.as_str() {
            "view" => "it is a view, which holds no documents of its own",
            "timeseries" => "it is a time series, whose documents are packed in buckets",
            _ => continue,
        };
        chosen.warnings.push(format!("{} is left out: {reason}", listed.namespace()));
    }
    if listed.iter().any(|listed| listed.database.is_empty()) {
        chosen.warnings.push("the log of operations (oplog) is left out".to_owned());
    }
    let data = |listed: &&Listed| !matches!(listed.kind.as_str(), "view" | "timeseries");
    let all: Vec<&Listed> = listed.iter().filter(ours).filter(data).collect();
    let missing = wanted.iter().find(|wanted| !all.iter().any(|listed| is(listed, wanted)));
    if let Some(missing) = missing {
        let names: Vec<String> = all.iter().map(|listed| listed.namespace()).collect();
        return Err(format!("the dump has no collection `{missing}`; it has {}", names.join(", ")));
    }
    let all: Vec<&Listed> = all
        .into_iter()
        .filter(|listed| wanted.is_empty() || wanted.iter().any(|wanted| is(listed, wanted)))
        .collect();
    let databases: BTreeSet<&str> = all.iter().map(|listed| listed.database.as_str()).collect();
    for listed in all {
        let namespace = listed.namespace();
        let single = databases.len() == 1;
        let name = if single { listed.collection.clone() } else { namespace.clone() };
        let indexes = match listed.metadata.as_str() {
            "" => DumpedIndexes::default(),
            metadata => DumpedIndexes::read(metadata),
        };
        chosen.collections.push(DumpedCollection { namespace, name, indexes });
    }
    Ok(chosen)
}

fn is(listed: &Listed, wanted: &str) -> bool {
    listed.collection == wanted || listed.namespace() == wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(namespace: &str, kind: &str) -> Listed {
        let (database, collection) = namespace.split_once('.').unwrap();
        Listed {
            database: database.to_owned(),
            collection: collection.to_owned(),
            kind: kind.to_owned(),
            ..Listed::default()
        }
    }

    #[test]
    fn what_is_not_of_users_is_left_out() {
        let dump = [
            listed("atlas.rivers", ""),
            listed("atlas.system.views", "collection"),
            listed("admin.system.version", "collection"),
            listed("atlas.long", "view"),
            listed("atlas.series", "timeseries"),
            listed(".oplog", ""),
        ];
        let chosen = choose(&dump, &[]).unwrap();
        let names: Vec<&str> =
            chosen.collections.iter().map(|chosen| chosen.name.as_str()).collect();
        assert_eq!(names, ["rivers"]);
        assert_eq!(chosen.warnings.len(), 3, "{:?}", chosen.warnings);
    }

    #[test]
    fn names_tell_databases_apart() {
        let dump = [listed("a.rivers", ""), listed("b.rivers", ""), listed("b.x.y", "")];
        let names = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
            let chosen = choose(&dump, &wanted)?;
            Ok::<_, String>(chosen.collections.into_iter().map(|c| c.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap(), ["a.rivers", "b.rivers", "b.x.y"]);
        assert_eq!(names(&["x.y", "b.rivers"]).unwrap(), ["rivers", "x.y"]);
        assert_eq!(names(&["rivers"]).unwrap(), ["a.rivers", "b.rivers"]);
        assert!(names(&["lakes"]).unwrap_err().contains("it has a.rivers, b.rivers, b.x.y"));
    }
}

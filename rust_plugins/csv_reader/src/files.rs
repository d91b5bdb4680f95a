//! The files that a job names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use dativo_plugin::{Error, ReaderConfig, Result, Section};
use dativo_storage::{FileInfo, Store, is_pattern};

use crate::options::{FileSpec, Options};
use crate::window::Found;

/// Find the files of a stream, by path: all lines of `files`, unless some of them name the stream.
pub(crate) fn find(config: &ReaderConfig, options: &Options, stream: Option<&str>) -> Result<Vec<Found>> {
    let named: Vec<&FileSpec> = options.files.iter().filter(|spec| spec.object.as_deref() == stream).collect();
    let specs = if named.is_empty() { options.files.iter().collect() } else { named };
    let mut found = BTreeMap::new();
    for spec in specs {
        found.extend(matches(config, options, spec)?.into_iter().map(|file| (file.info.uri.clone(), file)));
    }
    let files: Vec<Found> = found.into_values().collect();
    let mut ids: Vec<&str> = files.iter().map(|file| file.id.as_str()).collect();
    ids.sort_unstable();
    if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        let message = format!("files: the id {:?} stands for more than one file; give each its own", twice[0]);
        return Err(Error::new("DUPLICATE_FILE_ID", message));
    }
    Ok(files)
}

fn matches(config: &ReaderConfig, options: &Options, spec: &FileSpec) -> Result<Vec<Found>> {
    let tried = places(config, &spec.path)?;
    for place in &tried {
        let files = Store::open(place, config)?.glob(place)?;
        let alone = files.len() == 1;
        if !files.is_empty() {
            return Ok(files.into_iter().map(|info| Found { id: id(spec, place, &info, alone), info }).collect());
        }
    }
    let wild = is_pattern(&spec.path);
    if options.allow_empty && wild {
        return Ok(Vec::new());
    }
    let message = format!(
        "{} {}; looked for {}. Check the path and its spelling, or set `allow_empty: true` if a pattern may match nothing",
        if wild { "no file matches" } else { "there is no file" },
        spec.path,
        tried.join(" and ")
    );
    Err(Error::not_found(message).detail("path", spec.path.as_str()).detail("tried", tried))
}

/// Give the absolute places that a path of the job may mean, the first that exists being it.
fn places(config: &ReaderConfig, path: &str) -> Result<Vec<String>> {
    if path.contains("://") || path.starts_with('/') {
        return Ok(vec![path.to_owned()]);
    }
    if let Some(bucket) = bucket(config.connection())? {
        return Ok(vec![format!("{bucket}/{path}")]);
    }
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mut places: Vec<String> =
        [here.join(path), here.join(config.base()).join(path)].map(|place| place.to_string_lossy().into_owned()).into();
    places.dedup();
    Ok(places)
}

/// Give the bucket that relative paths lie in; none when they are local.
fn bucket(connection: &Section) -> Result<Option<String>> {
    for (kind, scheme) in [("s3", "s3"), ("minio", "s3"), ("gcs", "gs")] {
        if let Some(name) = connection.section(kind)?.get::<String>("bucket")? {
            return Ok(Some(format!("{scheme}://{name}")));
        }
    }
    Ok(connection.get::<String>("bucket")?.map(|name| format!("s3://{name}")))
}

/// Name a file as the job does: its own id, or its path from where the job's path starts.
fn id(spec: &FileSpec, place: &str, info: &FileInfo, alone: bool) -> String {
    let root = place.strip_suffix(spec.path.as_str()).unwrap_or(place);
    let path = if spec.path.starts_with("file:") { &info.uri } else { info.uri.trim_start_matches("file://") };
    let relative = path.strip_prefix(root).unwrap_or(path);
    match &spec.id {
        Some(id) if alone => id.clone(),
        Some(id) => format!("{id}:{relative}"),
        None => relative.to_owned(),
    }
}

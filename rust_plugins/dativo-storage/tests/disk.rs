//! The disk as a store: what is written appears whole or not at all, and changes are noticed.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};

use dativo_plugin::Cancel;
use dativo_storage::Store;

fn store(uri: &str) -> Store {
    Store::open_with(uri, &HashMap::new()).unwrap()
}

#[test]
fn a_file_is_there_once_it_is_finished_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("file://{}/new/a.txt", folder.path().display());
    let disk = store(&uri);
    let mut upload = disk.write(&uri).unwrap();
    upload.write_all(b"some text").unwrap();
    assert_eq!(disk.find(&uri).unwrap(), None);
    assert!(disk.list(&folder.path().to_string_lossy()).unwrap().is_empty(), "a staged file is not listed");
    assert_eq!(upload.finish().unwrap(), 9);
    let found = disk.find(&uri).unwrap().unwrap();
    assert_eq!((found.uri.as_str(), found.size), (uri.as_str(), 9));
    assert_eq!(&disk.read_range(&uri, 5..9, Some(&found.etag)).unwrap()[..], b"text");
    disk.delete(&uri).unwrap();
    disk.delete(&uri).unwrap();
    assert_eq!(disk.find(&uri).unwrap(), None);
}

#[test]
fn what_is_dropped_or_aborted_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a").to_string_lossy().into_owned();
    let disk = store(&path);
    drop(disk.write(&path).unwrap());
    let mut upload = disk.write(&path).unwrap();
    upload.write_all(b"x").unwrap();
    upload.abort().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_change_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a").to_string_lossy().into_owned();
    fs::write(&path, "one").unwrap();
    let disk = store(&path);
    let etag = disk.find(&path).unwrap().unwrap().etag;
    let mut text = String::new();
    disk.read(&path, Some(&etag), &Cancel::default()).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "one");
    fs::write(&path, "three").unwrap();
    let error = disk.read(&path, Some(&etag), &Cancel::default()).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("FILE_CHANGED", true));
}

#[test]
fn a_glob_lists_by_path() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.csv", "a.csv", "x/c.csv", "x/d.txt"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    let base = folder.path().to_string_lossy().into_owned();
    let names = |pattern: &str| -> Vec<String> {
        let found = store(&base).glob(&format!("{base}/{pattern}")).unwrap();
        found.iter().map(|file| file.uri.rsplit('/').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names("*.csv"), ["a.csv", "b.csv"]);
    assert_eq!(names("**/*.csv"), ["a.csv", "b.csv", "c.csv"]);
    assert_eq!(names("x/?.txt"), ["d.txt"]);
    assert_eq!(names("a.csv"), ["a.csv"]);
    assert_eq!(names("none/*"), [""; 0]);
}

#[test]
fn a_folder_is_no_file_and_a_missing_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().to_string_lossy().into_owned();
    let disk = store(&base);
    assert_eq!(disk.find(&base).unwrap(), None);
    assert_eq!(disk.read(&base, None, &Cancel::default()).unwrap_err().code(), "NOT_A_FILE");
    assert_eq!(disk.read(&format!("{base}/no"), None, &Cancel::default()).unwrap_err().code(), "FILE_NOT_FOUND");
    assert_eq!(Store::open_with("ftp://x/y", &HashMap::new()).unwrap_err().code(), "UNKNOWN_STORAGE");
    let options = HashMap::from([("colour".to_owned(), "red".to_owned())]);
    assert_eq!(Store::open_with("s3://x/y", &options).unwrap_err().code(), "CONFIGURATION_ERROR");
}

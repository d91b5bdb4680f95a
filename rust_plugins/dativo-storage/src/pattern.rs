//! Globs: `**/` is any depth, `*` and `?` stop at a slash, `[abc]` is one of these characters.

use dativo_plugin::{Error, Result};
use regex_lite::{Regex, escape};

use crate::disk::absolute;

const WILD: [char; 3] = ['*', '?', '['];

/// Say whether a path is a pattern.
#[must_use]
pub fn is_pattern(path: &str) -> bool {
    path.contains(WILD)
}

/// A pattern, and the folder in which everything that it names lies.
pub(crate) struct Pattern {
    pub(crate) folder: String,
    wanted: Regex,
}

impl Pattern {
    /// Read a pattern; none when the path has nothing wild.
    pub(crate) fn new(path: &str) -> Result<Option<Self>> {
        let Some(wild) = path.find(WILD) else { return Ok(None) };
        let folder = path[..wild].rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let remote = path.contains("://") && !path.starts_with("file:");
        let whole = if remote { path.to_owned() } else { absolute(path) };
        let wanted = Regex::new(&format!("^(?s:{})$", translated(&whole)))
            .map_err(|error| Error::config(format!("{path} is no pattern: {error}")))?;
        Ok(Some(Self { folder, wanted }))
    }

    pub(crate) fn matches(&self, uri: &str) -> bool {
        self.wanted.is_match(uri)
    }
}

fn translated(pattern: &str) -> String {
    let (mut found, mut rest) = (String::new(), pattern);
    while let Some(first) = rest.chars().next() {
        let (token, regex) = if rest.starts_with("**/") {
            (3, "(?:.*/)?".into())
        } else if rest.starts_with("**") {
            (2, ".*".into())
        } else if first == '*' {
            (1, "[^/]*".into())
        } else if first == '?' {
            (1, "[^/]".into())
        } else if let Some(end) = class_end(rest) {
            (end, rest[..end].replacen("[!", "[^", 1))
        } else {
            (first.len_utf8(), escape(&rest[..first.len_utf8()]))
        };
        found += &regex;
        rest = &rest[token..];
    }
    found
}

/// Give where a class of characters ends that starts here, if one does; it has at least one character.
fn class_end(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('[')?;
    let end = inner.find(']')?;
    (end > 0).then_some(end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, uri: &str) -> bool {
        Pattern::new(pattern).unwrap().unwrap().matches(uri)
    }

    #[test]
    fn a_star_stays_in_its_folder_and_two_do_not() {
        assert!(matches("s3://b/a/*.csv", "s3://b/a/x.csv"));
        assert!(!matches("s3://b/a/*.csv", "s3://b/a/c/x.csv"));
        assert!(matches("s3://b/a/**/*.csv", "s3://b/a/c/d/x.csv"));
        assert!(matches("s3://b/a/**/*.csv", "s3://b/a/x.csv"));
        assert!(matches("/t/a?[0-9].c[!s]v", "file:///t/ab7.cxv"));
        assert!(!matches("/t/a?[0-9].c[!s]v", "file:///t/ab7.csv"));
        assert!(!matches("/t/x.*", "file:///t/xycsv"));
    }

    #[test]
    fn a_path_without_wild_characters_is_no_pattern() {
        assert!(Pattern::new("s3://b/a.csv").unwrap().is_none());
        assert!(!is_pattern("s3://b/a.csv"));
    }

    #[test]
    fn the_folder_is_what_stands_before_the_first_wild_character() {
        assert_eq!(Pattern::new("s3://b/a/c*/x.csv").unwrap().unwrap().folder, "s3://b/a");
    }
}

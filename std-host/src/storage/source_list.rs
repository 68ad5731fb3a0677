//! All that the sources of a session hold: what lies on the disk, and what is made up.

use std::sync::Arc;

use super::docroot::Docroot;
use super::faux::{FauxSource, is_faux};
use super::walk::{SourceItem, SourceProblem, SourceWalk};
use crate::failure::Outcome;

/// The items of `sources`, in their order.
pub fn items(
    docroot: Arc<Docroot>,
    sources: Vec<Vec<u8>>,
) -> impl Iterator<Item = Result<SourceItem, SourceProblem>> {
    let groups: Vec<Vec<Vec<u8>>> = sources
        .chunk_by(|one, other| !is_faux(one) && !is_faux(other))
        .map(<[Vec<u8>]>::to_vec)
        .collect();
    groups.into_iter().flat_map(move |group| {
        let items: Box<dyn Iterator<Item = _>> = match group.first().filter(|path| is_faux(path)) {
            Some(path) => match FauxSource::parse(path) {
                Ok(source) => Box::new(source.map(Ok)),
                Err(failure) => Box::new(std::iter::once(Err(SourceProblem {
                    path: path.clone(),
                    fault: failure.fault,
                    text: failure.text,
                }))),
            },
            None => Box::new(SourceWalk::new(Arc::clone(&docroot), group)),
        };
        items
    })
}

/// If nothing of `sources` is there, nobody needs to be asked for it.
///
/// # Errors
///
/// Why the first of them is not there.
pub fn check(docroot: &Docroot, sources: &[Vec<u8>]) -> Outcome<()> {
    let mut first = None;
    for source in sources {
        let outcome = if is_faux(source) {
            FauxSource::parse(source).map(drop)
        } else {
            let stat = docroot.stat(source);
            stat.map(drop)
                .map_err(|error| super::disk_fault::read_failure(source, error))
        };
        match outcome {
            Ok(()) => return Ok(()),
            Err(failure) => {
                first.get_or_insert(failure);
            }
        }
    }
    first.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_files_and_real_ones_keep_their_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let docroot = Arc::new(Docroot::confined(folder.path()).unwrap());
        let sources = ["faux:///x?1", "a", "b", "faux:///y?2", "faux:///z?1q", "a"];
        let sources = sources.map(|source| source.as_bytes().to_vec()).to_vec();
        let names: Vec<String> = items(docroot, sources)
            .map(|item| match item {
                Ok(item) => String::from_utf8(item.path).unwrap(),
                Err(problem) => problem.text,
            })
            .collect();
        assert_eq!(names[..4], ["x", "a", "b", "y"]);
        assert!(names[4].contains("'1q' has no number"), "{}", names[4]);
        assert_eq!(names[5], "a");
    }

    #[test]
    fn one_source_that_is_there_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let docroot = Docroot::confined(folder.path()).unwrap();
        let examine = |sources: &[&str]| {
            let sources: Vec<_> = sources
                .iter()
                .map(|name| name.as_bytes().to_vec())
                .collect();
            check(&docroot, &sources)
        };
        assert!(examine(&["gone", "faux:///f?1k"]).is_ok());
        assert!(examine(&["gone"]).unwrap_err().text.contains("gone"));
        assert!(examine(&["faux:///f?1q"]).unwrap_err().text.contains("1q"));
    }
}

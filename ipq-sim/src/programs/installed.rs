//! Finds the parts of this project that were installed with the running program.

use std::path::{Path, PathBuf};

/// Returns the path of an installed file, such as `libipq.so.0`. Looks beside the running program,
/// then in the directory `lib` beside the program's directory, then in the directory that the
/// environment variable `IPQ_LIBDIR` named when this was built. Returns `None` if none of them has
/// the file, or if the system does not say where the running program is.
#[must_use]
pub fn installed(name: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let beside = program.parent()?;
    let library = beside.parent().map(|prefix| prefix.join("lib"));
    let named = option_env!("IPQ_LIBDIR").map(PathBuf::from);
    first_with(name, [Some(beside.to_owned()), library, named].into_iter().flatten())
}

fn first_with(name: &str, directories: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    directories
        .map(|directory| directory.join(Path::new(name)))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn the_first_directory_that_has_the_file_counts_and_a_directory_is_no_file() {
        let root = tempfile::tempdir().unwrap();
        let [bin, lib, other] = ["bin", "lib", "other"].map(|name| root.path().join(name));
        for directory in [&bin, &lib, &other] {
            std::fs::create_dir(directory).unwrap();
        }
        std::fs::create_dir(bin.join("part.so")).unwrap();
        std::fs::write(lib.join("part.so"), "").unwrap();
        std::fs::write(other.join("part.so"), "").unwrap();
        let directories = [bin, lib.clone(), other];
        let find = |name| first_with(name, directories.iter().cloned());
        assert_eq!(find("part.so"), Some(lib.join("part.so")));
        assert_eq!(find("nothing.so"), None);
    }

    #[test]
    fn what_is_beside_the_running_program_is_found() {
        let own = std::env::current_exe().unwrap();
        let name = own.file_name().unwrap().to_str().unwrap();
        assert_eq!(installed(name), Some(own.clone()));
    }
}

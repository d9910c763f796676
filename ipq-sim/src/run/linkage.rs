//! Whether a shared object can be loaded into a program first.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A program header that names the dynamic loader.
const PT_INTERP: usize = 3;

/// How much of a file is looked at: program headers stand at its beginning.
const LOOKED_AT: u64 = 1 << 16;

/// Whether `program`, as a command line names it, is an ELF file that no dynamic loader loads. What is none, a script for
/// example, or can't be found, is not.
pub(super) fn is_static(program: &OsStr) -> bool {
    let mut beginning = Vec::new();
    let read = File::open(found(program)).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut beginning));
    read.is_ok() && has_loader(&beginning) == Some(false)
}

/// Where the system finds a program.
fn found(program: &OsStr) -> PathBuf {
    if program.as_bytes().contains(&b'/') {
        return program.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| Path::new(program).to_owned())
}

/// Whether an ELF file names a dynamic loader; none if it is no such file, or its headers stand elsewhere.
fn has_loader(file: &[u8]) -> Option<bool> {
    let [0x7f, b'E', b'L', b'F', class, order, ..] = file else {
        return None;
    };
    let number = |offset: usize, bytes: usize| -> Option<usize> {
        let field = file.get(offset..offset.checked_add(bytes)?)?;
        let add = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
        Some(match order {
            1 => field.iter().rev().fold(0, add),
            _ => field.iter().fold(0, add),
        })
    };
    // Offset of the program headers, the size of one, and how many there are, in ELF's two classes.
    let [start, size, count] = match class {
        1 => [number(28, 4)?, number(42, 2)?, number(44, 2)?],
        _ => [number(32, 8)?, number(54, 2)?, number(56, 2)?],
    };
    for index in 0..count {
        let header = start.checked_add(index * size)?;
        if number(header, 4)? == PT_INTERP {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_test_itself_is_loaded_dynamically_and_text_is_no_program() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(has_loader(&this), Some(true));
        assert_eq!(has_loader(b"#!/bin/sh\n"), None);
        assert!(!is_static(OsStr::new("no such program")));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            let _ = has_loader(&[b"\x7fELF", &bytes[..]].concat());
        }
    }
}

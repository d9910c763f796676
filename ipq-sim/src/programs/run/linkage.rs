//! Reads from a program's file how the program is linked, and whether to libipq. Without seccomp,
//! the choice of a launcher depends on it.

use elf::ElfBytes;
use elf::abi::{DT_NEEDED, DT_STRTAB, PT_INTERP, PT_LOAD};
use elf::endian::AnyEndian;
use elf::file::Class;
use ipq_core::wire::WordSize;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The greatest number of bytes that are read of a program's file. The rest of a longer file is not
/// looked at.
const LONGEST: u64 = 1 << 30;

/// What a program's file says about how it is linked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Linkage {
    /// `true` if the file names no dynamic loader, so that no object can be loaded into the
    /// program.
    pub(super) is_static: bool,
    /// `true` if the file names a `libipq.so` to load, or seems to have this project's libipq
    /// linked in.
    pub(super) has_libipq: bool,
    /// The size of the program's words; `None` if it is not known.
    pub(super) word: Option<WordSize>,
}

impl Linkage {
    /// Reads the linkage of a program from its file, which is looked for in `PATH` if `program` has
    /// no slash. Returns the default, `false` and `None`, if the file can't be read or is no ELF
    /// file, such as a script.
    pub(super) fn of(program: &OsStr) -> Self {
        let mut file = Vec::new();
        let read = File::open(found(program)).and_then(|program| program.take(LONGEST).read_to_end(&mut file));
        read.ok().and_then(|_| Self::read(&file)).unwrap_or_default()
    }

    fn read(file: &[u8]) -> Option<Self> {
        let program = ElfBytes::minimal_parse(file).ok()?;
        let is_static = !program.segments()?.iter().any(|segment| segment.p_type == PT_INTERP);
        Some(Self {
            is_static,
            has_libipq: loads_libipq(file, &program).unwrap_or(false) || has_this_libipq(file),
            word: Some(match program.ehdr.class {
                Class::ELF32 => WordSize::Four,
                Class::ELF64 => WordSize::Eight,
            }),
        })
    }
}

/// Returns the path of a program's file: `program` itself if it has a slash, otherwise the first
/// executable file of that name in the directories of `PATH`. Returns `program` itself if there is
/// none.
fn found(program: &OsStr) -> PathBuf {
    if program.as_bytes().contains(&b'/') {
        return program.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| {
            std::fs::metadata(candidate).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        })
        .unwrap_or_else(|| Path::new(program).to_owned())
}

/// Returns `Some(true)` if an object whose name begins with `libipq.so` is among those that a
/// program's file names to load, and `Some(false)` if not. Returns `None` if the file has no
/// dynamic section, or if the names can't be found in it.
fn loads_libipq(file: &[u8], program: &ElfBytes<'_, AnyEndian>) -> Option<bool> {
    let dynamic = program.dynamic().ok()??;
    // The table of names is given by its address in memory, which the loaded segments turn into an
    // offset in the file.
    let address = dynamic.iter().find(|entry| entry.d_tag == DT_STRTAB)?.d_ptr();
    let offset = program.segments()?.iter().find_map(|segment| {
        let within = address.checked_sub(segment.p_vaddr)?;
        (segment.p_type == PT_LOAD && within < segment.p_filesz).then(|| segment.p_offset.checked_add(within))?
    })?;
    let names = file.get(usize::try_from(offset).ok()?..)?;
    let is_libipq = |at: u64| {
        let name = usize::try_from(at).ok().and_then(|at| names.get(at..));
        name.is_some_and(|name| name.starts_with(b"libipq.so"))
    };
    let mut needed = dynamic.iter().filter(|entry| entry.d_tag == DT_NEEDED);
    Some(needed.any(|entry| is_libipq(entry.d_val())))
}

/// Returns `true` if the file contains the text `IPQ_TRANSPORT`, which is taken as the sign that
/// this project's libipq is linked in.
fn has_this_libipq(file: &[u8]) -> bool {
    memchr::memmem::find(file, b"IPQ_TRANSPORT").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipq_core::wire::Abi;
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    #[test]
    fn the_test_itself_is_loaded_dynamically_and_text_is_no_program() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let linkage = Linkage::read(&this).unwrap();
        assert!(!linkage.is_static);
        assert_eq!(linkage.word, Some(Abi::NATIVE.word));
        assert_eq!(Linkage::read(b"#!/bin/sh\n"), None);
        assert_eq!(Linkage::of(OsStr::new("no such program")), Linkage::default());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            for class in [1, 2] {
                for order in [1, 2] {
                    Linkage::read(&[&b"\x7fELF"[..], &[class, order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], &bytes].concat());
                }
            }
        }

        #[test]
        fn no_damage_to_a_program_makes_it_panic(at in 0..4096_usize, bytes: [u8; 8]) {
            let mut this = Vec::new();
            File::open(std::env::current_exe().unwrap()).unwrap().take(1 << 16).read_to_end(&mut this).unwrap();
            this[at..at + 8].copy_from_slice(&bytes);
            Linkage::read(&this);
        }
    }
}

//! The modules that the suite needs, on a kernel that does not have them built in.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The modules that must be in the folder or built in, whatever cases are run, with the kernel
/// option that provides each.
const NEEDED: &[(&str, &str)] = &[
    ("af_packet", "CONFIG_PACKET"),
    ("ipv6", "CONFIG_IPV6"),
    ("tun", "CONFIG_TUN"),
    ("iptable_filter", "CONFIG_IP_NF_FILTER"),
    ("iptable_mangle", "CONFIG_IP_NF_MANGLE"),
    ("ip6table_filter", "CONFIG_IP6_NF_FILTER"),
    ("ip6table_mangle", "CONFIG_IP6_NF_MANGLE"),
    ("xt_mark", "CONFIG_NETFILTER_XT_MARK"),
    ("xt_NFQUEUE", "CONFIG_NETFILTER_XT_TARGET_NFQUEUE"),
    ("nfnetlink_queue", "CONFIG_NETFILTER_NETLINK_QUEUE"),
];

/// The modules that only some cases use. They are loaded if the folder has them, and may be
/// missing. `nf_tables`, which exists since Linux 3.13, answers the batches of nftables messages
/// that these cases send.
const WELCOME: &[&str] = &["nf_tables"];

/// The greatest depth of folders that is searched for modules. Deeper ones are ignored.
const MOST_DEPTH: usize = 16;

/// A module of the kernel that the machine loads.
#[derive(Clone, Debug)]
pub(super) struct Module {
    pub(super) name: String,
    /// The bytes of the module's file.
    pub(super) bytes: Vec<u8>,
}

/// The reason why the modules that the suite needs could not be collected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModulesError {
    /// A file or folder could not be read.
    #[error("{path}: {source}", path = .path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A module has no file below the folder, and is not built in.
    #[error(
        "{folder} has no module {name}, and its modules.builtin does not name it: the kernel lacks {option}{compressed}",
        folder = .folder.display(),
        compressed = if *.compressed { ", or its modules are compressed: unpack them first" } else { "" }
    )]
    Missing {
        /// The folder that was searched.
        folder: PathBuf,
        /// The module's name.
        name: String,
        /// The kernel option that provides the module. For a dependency: words that name the module
        /// that needs it.
        option: String,
        /// `true` if there are compressed modules below the folder, which can't be used.
        compressed: bool,
    },
}

/// Returns the modules below `folder` that the suite needs, those of [`WELCOME`] that are there,
/// and the modules that these depend on, in the order in which they must be loaded. Leaves out
/// modules that are built in. Fails if a needed module or a dependency is missing, or if a file or
/// folder can't be read.
pub(super) fn needed(folder: &Path) -> Result<Vec<Module>, ModulesError> {
    let mut found = Found {
        folder: folder.to_owned(),
        built_in: built_in(folder),
        files: HashMap::new(),
        compressed: false,
        loaded: HashSet::new(),
        order: Vec::new(),
    };
    found.search(folder, 0)?;
    for (name, option) in NEEDED {
        found.add(name, option)?;
    }
    for name in WELCOME {
        if found.files.contains_key(*name) {
            found.add(name, name)?;
        }
    }
    Ok(found.order)
}

/// Returns the names of the modules that the file modules.builtin in `folder` lists, with `_` for
/// `-`; no names if that file can't be read.
fn built_in(folder: &Path) -> HashSet<String> {
    let listed = fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
    listed.lines().filter_map(|line| name_of(Path::new(line))).collect()
}

struct Found {
    folder: PathBuf,
    built_in: HashSet<String>,
    files: HashMap<String, PathBuf>,
    compressed: bool,
    loaded: HashSet<String>,
    order: Vec<Module>,
}

impl Found {
    fn search(&mut self, folder: &Path, depth: usize) -> Result<(), ModulesError> {
        let unreadable = |source| ModulesError::Unreadable {
            path: folder.to_owned(),
            source,
        };
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
            if kind.is_dir() && depth < MOST_DEPTH {
                self.search(&path, depth + 1)?;
            } else if kind.is_file() {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                self.compressed |= name.is_some_and(|name| name.contains(".ko."));
                if let Some(name) = name_of(&path) {
                    self.files.insert(name, path);
                }
            }
        }
        Ok(())
    }

    /// Adds a module to the order, after the modules that it depends on. Does nothing if the module
    /// is built in or has been added. Fails if the module, or one that it depends on, is missing or
    /// can't be read. If this module is missing, the error says that the kernel lacks `option`.
    fn add(&mut self, name: &str, option: &str) -> Result<(), ModulesError> {
        if self.built_in.contains(name) || !self.loaded.insert(name.to_owned()) {
            return Ok(());
        }
        let path = self.files.get(name).cloned().ok_or_else(|| ModulesError::Missing {
            folder: self.folder.clone(),
            name: name.to_owned(),
            option: option.to_owned(),
            compressed: self.compressed,
        })?;
        let bytes = fs::read(&path).map_err(|source| ModulesError::Unreadable { path, source })?;
        for dependency in dependencies(&bytes) {
            self.add(&dependency, &format!("what {name} depends on"))?;
        }
        self.order.push(Module {
            name: name.to_owned(),
            bytes,
        });
        Ok(())
    }
}

/// Returns the name of the module in the file `path`, with `_` for `-`; `None` if the file's name
/// does not end in `.ko`.
fn name_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".ko")?;
    Some(name.replace('-', "_"))
}

/// Returns the names of the modules that a module depends on. They stand in the bytes `module` of
/// its file as the text `depends=a,b` between two zero bytes. In the names `-` becomes `_`.
fn dependencies(module: &[u8]) -> Vec<String> {
    let texts = module.split(|byte| *byte == 0);
    let depends = texts.filter_map(|text| text.strip_prefix(b"depends="));
    let names = depends.flat_map(|names| names.split(|byte| *byte == b','));
    let names = names.filter(|name| !name.is_empty());
    names
        .map(|name| String::from_utf8_lossy(name).replace('-', "_"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_after_what_it_depends_on() {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).expect("it can be written");
        let built_in: Vec<_> = NEEDED[..9]
            .iter()
            .map(|(name, _)| format!("kernel/{name}.ko"))
            .collect();
        write("modules.builtin", built_in.join("\n").as_bytes());
        write("nfnetlink_queue.ko", b"\0license=GPL\0depends=nfnetlink,nf-base\0");
        write("nfnetlink.ko", b"\0depends=\0");
        write("nf-base.ko", b"\0depends=nfnetlink\0");
        let order = needed(folder.path()).expect("all are there");
        let names: Vec<_> = order.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["nfnetlink", "nf_base", "nfnetlink_queue"]);
    }

    #[test]
    fn nftables_are_loaded_where_the_kernel_has_them() {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).expect("it can be written");
        let built_in: Vec<_> = NEEDED.iter().map(|(name, _)| format!("kernel/{name}.ko")).collect();
        write("modules.builtin", built_in.join("\n").as_bytes());
        assert!(needed(folder.path()).expect("nothing is needed").is_empty());
        write("nf_tables.ko", b"\0depends=libcrc32c\0");
        write("libcrc32c.ko", b"\0depends=\0");
        let order = needed(folder.path()).expect("all are there");
        let names: Vec<_> = order.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["libcrc32c", "nf_tables"]);
    }

    #[test]
    fn what_is_missing_is_named_with_its_option() {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let error = needed(folder.path()).expect_err("there is nothing");
        assert!(error.to_string().contains("CONFIG_PACKET"), "{error}");
    }
}

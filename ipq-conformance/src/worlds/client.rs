//! The emulator with a program beside it, to test the libipq that the program uses.

use super::SimWorld;
#[cfg(feature = "exec")]
use super::exec::ExecError;
#[cfg(feature = "exec")]
use crate::libipq::ExecLibipq;
use crate::libipq::{Caller, Emulator, Libipq, Library, LoadError};
use crate::world::{
    Call, Called, Capabilities, Capability, Description, Function, Observation, Setup, Step, World, WorldError,
    WorldFactory,
};
use ipq_core::wire::Abi;
use ipq_sim::Kernel;
use ipq_sim::programs::server::Server;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// The name of the file, in a temporary folder, that is the emulator's Unix socket.
const SOCKET: &str = "emulator";

/// The call by which a libipq opens its socket: `ipq_create_handle` for IPv4.
const OPEN: Call = Call {
    thread: 0,
    errno: 0,
    signals: false,
    function: Function::CreateHandle { flags: 0, protocol: 2 },
};

/// Creates worlds that are an emulator and a process with the libipq under test.
#[derive(Clone, Debug)]
pub struct ClientFactory {
    libipq: Arc<dyn Libipq>,
}

impl ClientFactory {
    /// Returns a factory for the library for C of this name, as `dlopen` takes it. `preload` is the
    /// object of `ipq-preload`, for a library that opens a netlink socket.
    ///
    /// Loads the library once, and fails if it can't be loaded. Without `preload` also calls its
    /// `ipq_create_handle`, and fails if that returns and the library has not connected to the
    /// emulator.
    pub fn library(name: OsString, preload: Option<PathBuf>) -> Result<Self, LoadError> {
        let library = Library { name, preload };
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join(SOCKET);
        let mut server = Server::listen(&socket)?;
        let mut process = library.load(&socket)?;
        if library.preload.is_none() {
            let emulator = Emulator {
                server: &mut server,
                kernel: &mut Kernel::builder().build().map_err(io::Error::other)?,
            };
            // A library that crashes or hangs here fails its cases, which say so.
            if matches!(process.call(&OPEN, emulator), Ok(Called::Returned(_))) && !server.has_programs() {
                return Err(LoadError::OtherKernel);
            }
        }
        Ok(Self {
            libipq: Arc::new(library),
        })
    }

    /// Returns a factory for the program that `command` starts, with arguments as in a shell.
    /// `preload` is the object of `ipq-preload`, for a program that opens a netlink socket. Starts
    /// the program once, to read its description of itself. Fails if the program can't be started
    /// or breaks the protocol.
    #[cfg(feature = "exec")]
    pub fn program(command: &str, preload: Option<PathBuf>) -> Result<Self, ExecError> {
        let folder = tempfile::tempdir().map_err(|error| broken(&error))?;
        let libipq = ExecLibipq::new(command, preload, &folder.path().join(SOCKET))?;
        Ok(Self {
            libipq: Arc::new(libipq),
        })
    }
}

impl WorldFactory for ClientFactory {
    fn name(&self) -> &'static str {
        "client"
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        Ok(Box::new(ClientWorld {
            libipq: Arc::clone(&self.libipq),
            sim: SimWorld::default(),
            running: None,
        }))
    }
}

/// The emulator, and the process of a program that uses the libipq under test.
#[derive(Debug)]
struct ClientWorld {
    libipq: Arc<dyn Libipq>,
    sim: SimWorld,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    process: Box<dyn Caller>,
    server: Server,
    /// The folder of the server's socket, which is removed when this field is dropped.
    _folder: TempDir,
}

impl World for ClientWorld {
    fn describe(&self) -> Description {
        let sim = self.sim.describe();
        Description {
            implementation: format!("{} on {}", self.libipq.name(), sim.implementation),
            ..sim
        }
    }

    /// Returns the emulator's capabilities without `DropNetAdmin`, `Duplicate` and `OtherMachines`,
    /// which would change a process's privileges, sockets or machine. Adds [`Capability::CLibrary`]
    /// if the libipq is for C.
    fn capabilities(&self) -> Capabilities {
        let lacks = [
            Capability::DropNetAdmin,
            Capability::Duplicate,
            Capability::OtherMachines,
        ];
        let sim = self.sim.capabilities();
        let has = sim.iter().filter(|capability| !lacks.contains(capability));
        let for_c = self.libipq.is_for_c().then_some(Capability::CLibrary);
        has.chain(for_c).collect()
    }

    fn has_libipq(&self) -> bool {
        true
    }

    fn begin(&mut self, setup: &Setup) -> Result<(), WorldError> {
        let machine = self.describe().machine;
        if machine.abi != Abi::NATIVE {
            return Err(WorldError::Unsupported(format!(
                "a libipq is of this machine, and the emulator is {machine}"
            )));
        }
        self.sim.begin(setup)?;
        let folder = tempfile::tempdir().map_err(|error| broken(&error))?;
        let socket = folder.path().join(SOCKET);
        let server = Server::listen(&socket).map_err(|error| broken(&error))?;
        let process = self.libipq.start(&socket)?;
        self.running = Some(Running {
            process,
            server,
            _folder: folder,
        });
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<Observation, WorldError> {
        let running = self.running.as_mut();
        let running = running.ok_or_else(|| WorldError::Misuse("this world has not begun".into()))?;
        if let Step::Call(call) = step {
            let emulator = Emulator {
                server: &mut running.server,
                kernel: self.sim.kernel()?,
            };
            return running.process.call(call, emulator).map(Observation::Called);
        }
        let seen = self.sim.step(step)?;
        // Datagrams for the program must be on the program's connection before its next call.
        let mut emulator = Emulator {
            server: &mut running.server,
            kernel: self.sim.kernel()?,
        };
        emulator.turn(&mut Vec::new()).map_err(|error| broken(&error))?;
        Ok(seen)
    }

    fn end(&mut self) -> Result<(), WorldError> {
        let running = self.running.as_mut();
        running.map_or(Ok(()), |running| running.process.end())
    }
}

fn broken(error: &impl ToString) -> WorldError {
    WorldError::Broken(error.to_string())
}

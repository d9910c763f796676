//! The emulator with a C program beside it, to test the program's libipq.

use super::SimWorld;
use crate::libipq::{Emulator, Library, LoadError, Process};
use crate::world::{Capabilities, Capability, Description, Observation, Setup, Step, World, WorldError, WorldFactory};
use ipq_core::wire::Abi;
use ipq_sim::programs::server::Server;
use std::ffi::OsString;
use std::path::PathBuf;
use tempfile::TempDir;

/// The name of the emulator's socket in its temporary folder.
const SOCKET: &str = "emulator";

/// Creates emulators with a program that uses a library for C.
#[derive(Clone, Debug)]
pub struct CProgramFactory {
    library: Library,
}

impl CProgramFactory {
    /// Returns a factory for the library of this name, as `dlopen` takes it. `preload` is the
    /// object of `ipq-preload`, for a library that does not know this emulator. The error says why
    /// the library can't be loaded.
    pub fn new(name: OsString, preload: Option<PathBuf>) -> Result<Self, LoadError> {
        let library = Library { name, preload };
        let folder = tempfile::tempdir()?;
        Process::start(&library, &folder.path().join(SOCKET))?;
        Ok(Self { library })
    }
}

impl WorldFactory for CProgramFactory {
    fn name(&self) -> &'static str {
        "client"
    }

    fn create(&self) -> Result<Box<dyn World>, WorldError> {
        Ok(Box::new(CProgramWorld {
            library: self.library.clone(),
            sim: SimWorld::default(),
            running: None,
        }))
    }
}

/// The emulator, and the process of a program that uses the library.
#[derive(Debug)]
struct CProgramWorld {
    library: Library,
    sim: SimWorld,
    running: Option<ProgramProcess>,
}

#[derive(Debug)]
struct ProgramProcess {
    process: Process,
    server: Server,
    /// The folder of the server's socket, removed when this is dropped.
    _folder: TempDir,
}

impl World for CProgramWorld {
    fn describe(&self) -> Description {
        let sim = self.sim.describe();
        Description {
            implementation: format!("{} on {}", self.library.name.display(), sim.implementation),
            ..sim
        }
    }

    /// Returns the emulator's capabilities, without those that concern a process's own sockets or
    /// privileges: the emulator can't change these in another process.
    fn capabilities(&self) -> Capabilities {
        let lacks = [
            Capability::DropNetAdmin,
            Capability::Duplicate,
            Capability::OtherMachines,
        ];
        let sim = self.sim.capabilities();
        let has = sim.iter().filter(|capability| !lacks.contains(capability));
        has.chain([Capability::CLibrary]).collect()
    }

    fn begin(&mut self, setup: &Setup) -> Result<(), WorldError> {
        let machine = self.describe().machine;
        if machine.abi != Abi::NATIVE {
            return Err(WorldError::Unsupported(format!(
                "a library for C is of this machine, and the emulator is {machine}"
            )));
        }
        self.sim.begin(setup)?;
        let folder = tempfile::tempdir().map_err(|error| broken(&error))?;
        let socket = folder.path().join(SOCKET);
        let server = Server::listen(&socket).map_err(|error| broken(&error))?;
        let process = Process::start(&self.library, &socket).map_err(|error| broken(&error))?;
        self.running = Some(ProgramProcess {
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
            let called = running.process.call(call, emulator).map_err(|error| broken(&error))?;
            return Ok(Observation::Called(called));
        }
        let seen = self.sim.step(step)?;
        // Datagrams for the program must be on its connection before its next call.
        let mut emulator = Emulator {
            server: &mut running.server,
            kernel: self.sim.kernel()?,
        };
        emulator.turn(&mut Vec::new()).map_err(|error| broken(&error))?;
        Ok(seen)
    }
}

fn broken(error: &impl ToString) -> WorldError {
    WorldError::Broken(error.to_string())
}

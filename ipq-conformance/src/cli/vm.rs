//! `vm`: runs the suite on another kernel, in a virtual machine.

use super::{AccelArgument, End, Failure, VmArguments, unable};
use crate::vm::{Accelerator, Machine};
use std::time::Duration;

pub(super) fn vm(arguments: &VmArguments) -> Result<End, Failure> {
    let machine = machine(arguments);
    let status = machine.run(&mut super::standard_output()).map_err(unable)?;
    Ok(match status {
        0 => End::Good,
        1 => End::Bad,
        3 => End::Nothing,
        _ => End::Unable,
    })
}

/// Returns the machine that the command line asks for.
pub(super) fn machine(arguments: &VmArguments) -> Machine {
    Machine {
        kernel: arguments.kernel.clone(),
        modules: arguments.modules.clone(),
        accelerator: match arguments.accel {
            AccelArgument::Tcg => Accelerator::Tcg,
            AccelArgument::Kvm => Accelerator::Kvm,
        },
        time_limit: Duration::from_secs(arguments.time_limit.into()),
        arguments: arguments.arguments.clone(),
    }
}

//! What filters of system calls are made of; which calls they refuse is their owners' knowledge.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};

/// Rules by the number of the call: none for a call that is refused whatever its arguments.
pub type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// This processor has none that we know.
    #[error("there is no filter for this processor")]
    Processor(#[source] BackendError),
    /// It cannot be put together.
    #[error("the rules do not fit")]
    Rules(#[from] BackendError),
    /// The kernel does not take it.
    #[error(transparent)]
    Kernel(#[from] seccompiler::Error),
}

/// Answers calls by `rules` with `errno`, in this process and all that comes of it.
///
/// Programs for another processor (32-bit ones) are ended at their first system call: their calls
/// have other numbers, and nobody would look at them.
pub fn refuse(rules: Rules, errno: i32) -> Result<(), FilterError> {
    let target = std::env::consts::ARCH
        .try_into()
        .map_err(FilterError::Processor)?;
    let refused = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, target)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(apply_filter(&program)?)
}

/// Refuses all calls by the x32 ABI: they have the processor of ordinary ones and numbers that begin
/// here, so rules by number would not see them.
pub fn refuse_x32() -> Result<(), FilterError> {
    use seccompiler::sock_filter;
    const X32: u32 = 0x4000_0000;
    const LOAD_NUMBER: sock_filter = sock_filter {
        code: 0x20,
        jt: 0,
        jf: 0,
        k: 0,
    };
    const SKIP_BELOW_X32: sock_filter = sock_filter {
        code: 0x35,
        jt: 0,
        jf: 1,
        k: X32,
    };
    let answer = |action: SeccompAction| sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k: u32::from(action),
    };
    let program = vec![
        LOAD_NUMBER,
        SKIP_BELOW_X32,
        answer(SeccompAction::Errno(libc::ENOSYS.unsigned_abs())),
        answer(SeccompAction::Allow),
    ];
    if cfg!(target_arch = "x86_64") {
        apply_filter(&program)?;
    }
    Ok(())
}

/// The argument of this place, from 0, is `value` in its lower half.
pub fn is(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

/// It is not.
pub fn is_not(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}

/// A constant of libc's; all that are used are positive.
pub fn number(constant: i32) -> u64 {
    u64::from(constant.unsigned_abs())
}

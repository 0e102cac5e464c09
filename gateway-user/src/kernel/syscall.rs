//! The commands of bpf(2) that aya has no door for: links, what is attached to a cgroup, and taking a
//! value out of a map; and what a socket tells of its network namespace and its SYN.
//!
//! Thin: arguments in, `io::Result` out; what an error means is decided by the callers. The
//! structures are the prefixes of `union bpf_attr` that each command reads (linux/bpf.h).

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::libc;

const OBJ_PIN: libc::c_long = 6;
const OBJ_GET: libc::c_long = 7;
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const PROG_QUERY: libc::c_long = 16;
const MAP_LOOKUP_AND_DELETE: libc::c_long = 21;
const LINK_CREATE: libc::c_long = 28;
const LINK_UPDATE: libc::c_long = 29;
const LINK_DETACH: libc::c_long = 34;

#[repr(C)]
#[derive(Default)]
struct ObjAttr {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct ElementAttr {
    map_fd: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct LinkCreateAttr {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct LinkUpdateAttr {
    link_fd: u32,
    new_prog_fd: u32,
    flags: u32,
    old_prog_fd: u32,
}

#[repr(C)]
#[derive(Default)]
struct LinkDetachAttr {
    link_fd: u32,
}

#[repr(C)]
#[derive(Default)]
struct InfoAttr {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// `struct bpf_link_info` of a cgroup link.
#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    kind: u32,
    id: u32,
    prog_id: u32,
    pad: u32,
    cgroup_id: u64,
    attach_type: u32,
    pad2: u32,
}

#[repr(C)]
#[derive(Default)]
struct QueryAttr {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    pad: u32,
}

/// What is attached to one cgroup at one hook.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// Whether programs of others are allowed beside it.
    pub(super) multi: bool,
    /// Ids of the programs.
    pub(super) programs: Vec<u32>,
}

/// `SO_NETNS_COOKIE` of a socket (Linux 5.14).
pub(super) fn netns_cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut size: libc::socklen_t = 8;
    // SAFETY: the option is a 64-bit number, and `size` says that there is room for it.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut size,
        )
    };
    match result {
        0 => Ok(cookie),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has a listener keep the SYN of each connection until it is asked for.
pub(super) fn save_syns(listener: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option is an int, which lives for the call.
    let result = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_SAVE_SYN,
            (&raw const on).cast(),
            4,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The SYN of an accepted connection, from the IP header on, into `buffer`; the part of it that was
/// written. None where the kernel has kept none, as of a connection by a SYN cookie. Asked again it
/// is none too.
pub(super) fn saved_syn<'a>(
    accepted: BorrowedFd<'_>,
    buffer: &'a mut [u8],
) -> io::Result<Option<&'a [u8]>> {
    let mut size = libc::socklen_t::try_from(buffer.len()).map_err(io::Error::other)?;
    // SAFETY: the option is bytes, and `size` says for how many there is room.
    let result = unsafe {
        libc::getsockopt(
            accepted.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_SAVED_SYN,
            buffer.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let size = usize::try_from(size).map_err(io::Error::other)?;
    Ok(buffer.get(..size).filter(|syn| !syn.is_empty()))
}

/// Takes a value out of a hash map; none if there is none under that key.
pub(super) fn map_take<K: aya::Pod, V: aya::Pod>(
    map: BorrowedFd<'_>,
    key: &K,
) -> io::Result<Option<V>> {
    let mut value = MaybeUninit::<V>::uninit();
    let mut attr = ElementAttr {
        map_fd: raw(map)?,
        key: address_of(key),
        value: address_of(value.as_mut_ptr()),
        ..ElementAttr::default()
    };
    match bpf(MAP_LOOKUP_AND_DELETE, &mut attr) {
        // SAFETY: the kernel has just written all of it, any bytes are a valid `V`, and the read is
        // volatile as in `info`.
        Ok(_) => Ok(Some(unsafe { std::ptr::read_volatile(value.as_ptr()) })),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Attaches a program to a cgroup; it stays so as long as the link is open or pinned.
pub(super) fn link_create(
    program: BorrowedFd<'_>,
    cgroup: BorrowedFd<'_>,
    attach_type: u32,
) -> io::Result<OwnedFd> {
    let mut attr = LinkCreateAttr {
        prog_fd: raw(program)?,
        target_fd: raw(cgroup)?,
        attach_type,
        // 0: links always allow others beside them.
        flags: 0,
    };
    owned(bpf(LINK_CREATE, &mut attr)?)
}

/// Replaces the program of a link; no moment is without one.
pub(super) fn link_update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = LinkUpdateAttr {
        link_fd: raw(link)?,
        new_prog_fd: raw(program)?,
        ..LinkUpdateAttr::default()
    };
    bpf(LINK_UPDATE, &mut attr).map(drop)
}

/// Ends an attachment at once, whoever else has the link open.
pub(super) fn link_detach(link: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = LinkDetachAttr {
        link_fd: raw(link)?,
    };
    bpf(LINK_DETACH, &mut attr).map(drop)
}

/// What a cgroup link is.
pub(super) struct Link {
    /// Id of the cgroup it is attached to; 0 if the link is severed.
    pub(super) cgroup: u64,
    /// The hook, as `enum bpf_attach_type`.
    pub(super) attach_type: u32,
    /// Id of the program that runs.
    pub(super) program: u32,
}

/// What a link is. Of what is no cgroup link it says that it is severed.
pub(super) fn link_info(link: BorrowedFd<'_>) -> io::Result<Link> {
    /// `BPF_LINK_TYPE_CGROUP`.
    const CGROUP: u32 = 3;
    let info: LinkInfo = info(link)?;
    Ok(Link {
        cgroup: if info.kind == CGROUP {
            info.cgroup_id
        } else {
            0
        },
        attach_type: info.attach_type,
        program: info.prog_id,
    })
}

/// Id of the cgroup a link is attached to; 0 if the link is severed.
pub(super) fn link_cgroup(link: BorrowedFd<'_>) -> io::Result<u64> {
    link_info(link).map(|link| link.cgroup)
}

/// The id of a program or map.
pub(super) fn object_id(object: BorrowedFd<'_>) -> io::Result<u32> {
    let [_kind, id] = info::<[u32; 2]>(object)?;
    Ok(id)
}

/// The beginning of what the kernel tells of an object; `T` is made of integers.
fn info<T: Default>(object: BorrowedFd<'_>) -> io::Result<T> {
    let mut info = T::default();
    let mut attr = InfoAttr {
        bpf_fd: raw(object)?,
        info_len: length_of::<T>()?,
        info: address_of(&raw mut info),
    };
    bpf(OBJ_GET_INFO_BY_FD, &mut attr)?;
    // SAFETY: the kernel has just written it, at most `info_len` bytes; volatile, because the
    // compiler has seen only its address go away as a number.
    Ok(unsafe { std::ptr::read_volatile(&raw const info) })
}

/// Pins a link at a path of a bpffs.
pub(super) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = ObjAttr {
        pathname: address_of(name.as_ptr()),
        bpf_fd: raw(object)?,
        file_flags: 0,
    };
    bpf(OBJ_PIN, &mut attr).map(drop)
}

/// Opens what is pinned at a path.
pub(super) fn pinned(path: &Path) -> io::Result<OwnedFd> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = ObjAttr {
        pathname: address_of(name.as_ptr()),
        ..ObjAttr::default()
    };
    owned(bpf(OBJ_GET, &mut attr)?)
}

/// What is attached directly to `cgroup` at `attach_type`; at most 64 programs are told.
pub(super) fn query(cgroup: BorrowedFd<'_>, attach_type: u32) -> io::Result<Query> {
    const MULTI: u32 = 2;
    let mut ids = [0_u32; 64];
    let mut attr = QueryAttr {
        target_fd: raw(cgroup)?,
        attach_type,
        prog_ids: address_of(ids.as_mut_ptr()),
        prog_cnt: 64,
        ..QueryAttr::default()
    };
    bpf(PROG_QUERY, &mut attr)?;
    // SAFETY: as in `info`.
    let ids = unsafe { std::ptr::read_volatile(&raw const ids) };
    let count = usize::try_from(attr.prog_cnt).unwrap_or(usize::MAX);
    Ok(Query {
        multi: attr.attach_flags & MULTI != 0,
        programs: ids.into_iter().take(count).collect(),
    })
}

fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<libc::c_long> {
    let size = size_of::<T>();
    // SAFETY: `attr` is a whole structure of `size` bytes, and the pointers in it are live for
    // the call, as the callers' borrows show.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size) };
    match result {
        0.. => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: bpf(2) has just given it to us, close-on-exec, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn raw(fd: BorrowedFd<'_>) -> io::Result<u32> {
    u32::try_from(fd.as_raw_fd()).map_err(io::Error::other)
}

fn length_of<T>() -> io::Result<u32> {
    u32::try_from(size_of::<T>()).map_err(io::Error::other)
}

#[expect(
    clippy::as_conversions,
    reason = "bpf(2) takes pointers as 64-bit numbers"
)]
fn address_of<T>(pointer: *const T) -> u64 {
    pointer.expose_provenance() as u64
}

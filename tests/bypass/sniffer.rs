//! Counts what arrives in the internet, and knows by address or text which attempt it belongs to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use gateway_tests::wait;
use nix::libc::{PACKET_OUTGOING, c_uchar};
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
    sockopt,
};
use nix::sys::time::TimeVal;

use crate::network::{Network, inside};

/// Where nothing but the sniffer's own marks go.
const MARKS: Ipv4Addr = Ipv4Addr::new(198, 19, 255, 1);

/// One packet that got out.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// Round and number of the attempt; none when it bears no sign of one.
    pub(crate) whose: Option<(u8, u8)>,
    /// What it looks like.
    pub(crate) shape: String,
}

/// Listens until it is dropped.
pub(crate) struct Sniffer {
    seen: Arc<Mutex<Vec<Packet>>>,
    marks: Arc<AtomicU32>,
    host: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sniffer {
    pub(crate) fn start(network: &Network) -> Sniffer {
        let socket = open(network.internet());
        let seen = Arc::<Mutex<Vec<Packet>>>::default();
        let (marks, stop) = (Arc::<AtomicU32>::default(), Arc::<AtomicBool>::default());
        let thread = {
            let (seen, marks, stop) = (seen.clone(), marks.clone(), stop.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Some(frame) = receive(&socket) else {
                        continue;
                    };
                    match read(&frame) {
                        Sight::Nothing => {}
                        Sight::Mark => drop(marks.fetch_add(1, Ordering::Relaxed)),
                        Sight::Packet(packet) => seen.lock().unwrap().push(packet),
                    }
                }
            })
        };
        Sniffer {
            seen,
            marks,
            host: network.host().to_owned(),
            stop,
            thread: Some(thread),
        }
    }

    /// All that was seen so far. A packet of our own is sent after it and waited for, so that
    /// nothing that left before is missed.
    pub(crate) fn seen(&self) -> Vec<Packet> {
        let before = self.marks.load(Ordering::Relaxed);
        let mark = inside(&self.host, || UdpSocket::bind("0.0.0.0:0").unwrap());
        wait::until("the sniffer sees its own mark", || {
            mark.send_to(b"mark", (MARKS, 9))?;
            Ok((self.marks.load(Ordering::Relaxed) > before).then_some(()))
        })
        .unwrap();
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It fails only if the thread panicked, which has been printed.
            let _ = thread.join();
        }
    }
}

fn open(namespace: &Path) -> OwnedFd {
    inside(namespace, || {
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthAll,
        )
        .unwrap();
        // So that it looks up from time to time whether it is to stop.
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(0, 20_000)).unwrap();
        setsockopt(&socket, sockopt::RcvBufForce, &(16 << 20)).unwrap();
        socket
    })
}

/// The next frame that came in by a wire.
fn receive(socket: &OwnedFd) -> Option<Vec<u8>> {
    const ETHERNET: u16 = 1;
    let mut frame = vec![0; 65536];
    let (size, from) = recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut frame).ok()?;
    let from = from?;
    let came_in = from.pkttype() != c_uchar::try_from(PACKET_OUTGOING).unwrap();
    frame.truncate(size);
    (came_in && from.hatype() == ETHERNET).then_some(frame)
}

enum Sight {
    /// What kernels say by themselves.
    Nothing,
    Mark,
    Packet(Packet),
}

fn read(frame: &[u8]) -> Sight {
    const IGMP: u8 = 2;
    const TCP: u8 = 6;
    const ICMPV6: u8 = 58;
    let (protocol, to, rest) = match frame {
        [_, _, _, _, _, _, _, _, _, _, _, _, 0x08, 0x00, ip @ ..] if ip.len() >= 20 => {
            let to = Ipv4Addr::new(ip[16], ip[17], ip[18], ip[19]);
            (ip[9], IpAddr::from(to), &ip[usize::from(ip[0] & 15) * 4..])
        }
        [_, _, _, _, _, _, _, _, _, _, _, _, 0x86, 0xdd, ip @ ..] if ip.len() >= 40 => {
            let to: [u8; 16] = ip[24..40].try_into().unwrap();
            // Multicast listener reports have an option before them.
            let options = if ip[6] == 0 { 8 } else { 0 };
            let protocol = if ip[6] == 0 { ip[40] } else { ip[6] };
            (protocol, Ipv6Addr::from(to).into(), &ip[40 + options..])
        }
        // ARP. Other frames are nobody's, hence worth a look.
        [_, _, _, _, _, _, _, _, _, _, _, _, 0x08, 0x06, ..] => return Sight::Nothing,
        _ => {
            return Sight::Packet(Packet {
                whose: None,
                shape: format!("a frame {frame:02x?}"),
            });
        }
    };
    if to == IpAddr::from(MARKS) {
        return Sight::Mark;
    }
    let whose = match (protocol, rest) {
        // What the host's kernel answers by itself to who calls: a reset where nobody listens, a bare
        // acknowledgement to who calls again too soon.
        (TCP, rest) if is_answer(rest) => return Sight::Nothing,
        // Errors, routers and neighbours.
        (ICMPV6, [1..=4 | 133..=136, ..]) => return Sight::Nothing,
        // Who listens to which group: kernels have some of their own.
        (IGMP, _) | (ICMPV6, [130..=132 | 143, ..]) => match by_group(frame) {
            None => return Sight::Nothing,
            whose => whose,
        },
        _ => by_address(to)
            .or_else(|| by_text(frame))
            .or_else(|| by_header(frame)),
    };
    let flags = match protocol {
        TCP => format!(" flags {:02x}", rest.get(13).unwrap_or(&0)),
        _ => String::new(),
    };
    let size = frame.len();
    Sight::Packet(Packet {
        whose,
        shape: format!("protocol {protocol}{flags} to {to}, {size} bytes"),
    })
}

/// A TCP segment that says nothing: a reset, or an acknowledgement without data.
fn is_answer(segment: &[u8]) -> bool {
    const RESET: u8 = 4;
    const ACKNOWLEDGEMENT: u8 = 16;
    let (Some(words), Some(flags)) = (segment.get(12), segment.get(13)) else {
        return false;
    };
    let is_empty = segment.len() == usize::from(words >> 4) * 4;
    flags & RESET != 0 || (*flags == ACKNOWLEDGEMENT && is_empty)
}

/// Every attempt has 198.18.ROUND.NUMBER and 2001:db8:ROUND::NUMBER, and 198.19.ROUND.NUMBER to
/// come from.
fn by_address(to: IpAddr) -> Option<(u8, u8)> {
    match to {
        IpAddr::V4(to) => match to.octets() {
            [198, 18 | 19, round, number] => Some((round, number)),
            _ => None,
        },
        IpAddr::V6(to) => match to.segments() {
            [0x2001, 0xdb8, round, 0, 0, 0, 0, number] => {
                Some((round.try_into().ok()?, number.try_into().ok()?))
            }
            _ => None,
        },
    }
}

/// And says `bypass-ROUND-NUMBER;`.
fn by_text(frame: &[u8]) -> Option<(u8, u8)> {
    let text = String::from_utf8_lossy(frame);
    let (_, rest) = text.split_once("bypass-")?;
    let (sign, _) = rest.split_once(';')?;
    let (round, number) = sign.split_once('-')?;
    Some((round.parse().ok()?, number.parse().ok()?))
}

/// Or tells of a group: 239.18.ROUND.NUMBER or `ff15:db8:ROUND::NUMBER`.
fn by_group(frame: &[u8]) -> Option<(u8, u8)> {
    let by_ipv4 = frame.windows(4).find_map(|bytes| match bytes {
        [239, 18, round, number] => Some((*round, *number)),
        _ => None,
    });
    by_ipv4.or_else(|| {
        frame.windows(16).find_map(|bytes| match bytes {
            [
                0xff,
                0x15,
                0x0d,
                0xb8,
                0,
                round,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                number,
            ] => Some((*round, *number)),
            _ => None,
        })
    })
}

/// Or has the address in its header's options.
fn by_header(frame: &[u8]) -> Option<(u8, u8)> {
    let options = frame.get(14 + 20..14 + 60)?;
    options.windows(4).find_map(|bytes| match bytes {
        [198, 18, round, number] => Some((*round, *number)),
        _ => None,
    })
}

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

use crate::network::{Network, OWN6, inside};

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
            let protocol = if ip[6] == 0 && ip.len() > 48 {
                ip[40]
            } else {
                ip[6]
            };
            let rest = ip.get(40 + options..).unwrap_or_default();
            (protocol, Ipv6Addr::from(to).into(), rest)
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
        // Errors.
        (ICMPV6, [1..=4, ..]) => return Sight::Nothing,
        // Routers and neighbours, who ask with the highest hop limit (RFC 4861, 7.1). An agent cannot:
        // raw sockets need CAP_NET_RAW, and the kernel lets ping sockets send echo requests only.
        (ICMPV6, [133..=136, ..]) if frame[14 + 7] == 255 => return Sight::Nothing,
        // Who listens to which group. The kernel says so by itself when an interface comes up. An agent
        // cannot send such a report, for the same reason, but has the kernel send one that names a
        // group of its choice: by joining it, or by an address that it gives to an interface.
        (IGMP, _) | (ICMPV6, [130..=132 | 143, ..]) => match groups(protocol, rest) {
            Some(groups) if groups.iter().all(|group| is_kernels_own(*group, frame)) => {
                return Sight::Nothing;
            }
            Some(groups) => groups.into_iter().find_map(by_group),
            None => None,
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

/// The groups that a report or query of IGMP (RFC 3376) or MLD (RFC 3810) names; none if it is cut
/// off, or not one.
fn groups(protocol: u8, message: &[u8]) -> Option<Vec<IpAddr>> {
    const IGMP: u8 = 2;
    let (size, records) = match (protocol, message.first()?) {
        (IGMP, 0x22) => (4, true),
        (IGMP, 0x11 | 0x12 | 0x16 | 0x17) => (4, false),
        (_, 143) => (16, true),
        (_, 130..=132) => (16, false),
        _ => return None,
    };
    if !records {
        // In IGMP behind four bytes, in MLD behind eight.
        let start = if protocol == IGMP { 4 } else { 8 };
        return Some(vec![address(message.get(start..start + size)?)?]);
    }
    let count = u16::from_be_bytes([*message.get(6)?, *message.get(7)?]);
    let mut rest = message.get(8..)?;
    let mut groups = Vec::new();
    for _ in 0..count {
        let (head, behind) = rest.split_at_checked(4 + size)?;
        let sources = usize::from(u16::from_be_bytes([head[2], head[3]]));
        groups.push(address(&head[4..])?);
        rest = behind.get(sources * size + usize::from(head[1]) * 4..)?;
    }
    Some(groups)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// Whether an interface of the host is in this group without anybody's doing: that of all nodes or
/// routers, and those by which its neighbours ask for its addresses, of which one is [`OWN6`] and
/// the other made of its hardware's (RFC 4291, 2.7.1 and appendix A).
fn is_kernels_own(group: IpAddr, frame: &[u8]) -> bool {
    let IpAddr::V6(group) = group else {
        return matches!(group, IpAddr::V4(group) if matches!(group.octets(), [224, 0, 0, 1 | 2 | 22 | 106]));
    };
    let own: Ipv6Addr = OWN6.parse().unwrap();
    let asked_by = |last: &[u8]| {
        let mut solicited = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0).octets();
        solicited[13..].copy_from_slice(last);
        Ipv6Addr::from(solicited)
    };
    group == asked_by(&own.octets()[13..])
        || group == asked_by(&frame[9..12])
        || matches!(
            group.segments(),
            [
                0xff01 | 0xff02 | 0xff05,
                0,
                0,
                0,
                0,
                0,
                0,
                1 | 2 | 0x16 | 0x6a
            ]
        )
}

/// Or tells of a group: 239.18.ROUND.NUMBER or `ff15:db8:ROUND::NUMBER`.
fn by_group(group: IpAddr) -> Option<(u8, u8)> {
    match group {
        IpAddr::V4(group) => match group.octets() {
            [239, 18, round, number] => Some((round, number)),
            _ => None,
        },
        IpAddr::V6(group) => match group.segments() {
            [0xff15, 0xdb8, round, 0, 0, 0, 0, number] => {
                Some((round.try_into().ok()?, number.try_into().ok()?))
            }
            _ => None,
        },
    }
}

/// Or has the address in its header's options.
fn by_header(frame: &[u8]) -> Option<(u8, u8)> {
    let options = frame.get(14 + 20..14 + 60)?;
    options.windows(4).find_map(|bytes| match bytes {
        [198, 18, round, number] => Some((*round, *number)),
        _ => None,
    })
}

/// A multicast listener report of an interface with this hardware address.
#[cfg(test)]
fn report(hardware: [u8; 6], groups: &[Ipv6Addr]) -> Vec<u8> {
    let mut frame = vec![0x33, 0x33, 0, 0, 0, 0x16];
    frame.extend(hardware);
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 0, 1]);
    frame.extend("fe80::1".parse::<Ipv6Addr>().unwrap().octets());
    frame.extend("ff02::16".parse::<Ipv6Addr>().unwrap().octets());
    frame.extend([58, 0, 5, 2, 0, 0, 1, 0]);
    frame.extend([143, 0, 0, 0, 0, 0, 0, u8::try_from(groups.len()).unwrap()]);
    for group in groups {
        frame.extend([4, 0, 0, 0]);
        frame.extend(group.octets());
    }
    frame
}

#[test]
fn what_an_interface_reports_by_itself_is_no_packet_of_an_attempt() {
    // As an interface may have it by chance: with bytes that an IPv4 group has.
    let hardware = [2, 0xef, 0x12, 0xef, 18, 7];
    let group = |text: &str| text.parse::<Ipv6Addr>().unwrap();
    let own = [
        group("ff02::1:ff00:1"),
        group("ff02::1:ffef:1207"),
        group("ff02::2"),
    ];
    let whose = |groups: &[Ipv6Addr]| match read(&report(hardware, groups)) {
        Sight::Packet(packet) => Some(packet.whose),
        Sight::Nothing | Sight::Mark => None,
    };
    assert_eq!(whose(&own), None);
    // What an attempt joins is seen, also among others, and a group that nobody knows.
    assert_eq!(whose(&[own[0], group("ff15:db8:3::7")]), Some(Some((3, 7))));
    assert_eq!(whose(&[group("ff02::1:ff12:3456")]), Some(None));
    assert_eq!(whose(&[group("ff02::db8")]), Some(None));
    // Cut off.
    let mut frame = report(hardware, &own);
    frame.truncate(90);
    assert!(matches!(read(&frame), Sight::Packet(_)));
}

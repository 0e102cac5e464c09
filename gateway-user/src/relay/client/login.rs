//! How the gateway's own connection says who it is: a password, its hash or a proof by SCRAM. A client
//! certificate is shown by TLS before.

use bytes::BytesMut;
use gateway_core::cursor::Cursor;
use gateway_core::protocols::TlsInfo;
use gateway_core::protocols::login::SCRAM_ROUNDS;
use gateway_core::secret::Secret;
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::frontend;

use super::ClientError;

/// As whom.
#[derive(Clone, Copy, Debug)]
pub(in crate::relay) struct Account<'a> {
    /// The account on the server.
    pub(in crate::relay) user: &'a str,
    /// Its password, if it has one.
    pub(in crate::relay) password: Option<&'a Secret>,
}

/// Where logging in is.
pub(super) struct Login<'a> {
    account: Account<'a>,
    tls: Option<&'a TlsInfo>,
    scram: Option<sasl::ScramSha256>,
}

impl<'a> Login<'a> {
    pub(super) fn new(account: Account<'a>, tls: Option<&'a TlsInfo>) -> Self {
        Self {
            account,
            tls,
            scram: None,
        }
    }

    /// Writes the answer to one message of the server about authentication.
    pub(super) fn answer(&mut self, body: &[u8], out: &mut BytesMut) -> Result<(), ClientError> {
        let mut body = Cursor::new(body);
        let kind = body.u32().ok_or(ClientError::Protocol)?;
        let password = self.account.password.map(Secret::reveal);
        let password = password.ok_or(ClientError::NoPassword);
        match kind {
            // Whoever does not prove to know the password is not the server.
            0 if self.scram.is_some() => return Err(ClientError::Protocol),
            0 => {}
            3 if !self.tls.is_some_and(|tls| tls.verified) => return Err(ClientError::Plain),
            3 => frontend::password_message(password?, out)?,
            5 => {
                let salt = body.bytes(4).and_then(|salt| salt.try_into().ok());
                let salt = salt.ok_or(ClientError::Protocol)?;
                let hash = md5_hash(self.account.user.as_bytes(), password?, salt);
                frontend::password_message(hash.as_bytes(), out)?;
            }
            10 => {
                let (mechanism, binding) = self.mechanism(body.rest())?;
                let begun = sasl::ScramSha256::new(password?, binding);
                let begun = self.scram.insert(begun);
                frontend::sasl_initial_response(mechanism, begun.message(), out)?;
            }
            11 => {
                let scram = self.scram.as_mut().ok_or(ClientError::Protocol)?;
                let first = body.rest();
                if !rounds(first).is_some_and(|it| SCRAM_ROUNDS.contains(&it)) {
                    return Err(ClientError::Rounds);
                }
                scram.update(first)?;
                frontend::sasl_response(scram.message(), out)?;
            }
            // The server proves that it knows the password too.
            12 => {
                let mut scram = self.scram.take().ok_or(ClientError::Protocol)?;
                scram.finish(body.rest())?;
            }
            _ => return Err(ClientError::Authentication),
        }
        Ok(())
    }

    /// With which kind of SCRAM, bound to the TLS that it is in where that can be.
    fn mechanism(
        &self,
        offered: &[u8],
    ) -> Result<(&'static str, sasl::ChannelBinding), ClientError> {
        let offers = |name: &str| offered.split(|it| *it == 0).any(|it| it == name.as_bytes());
        let (plus, plain) = (
            offers(sasl::SCRAM_SHA_256_PLUS),
            offers(sasl::SCRAM_SHA_256),
        );
        match (self.tls.and_then(|tls| tls.end_point.clone()), plus, plain) {
            (Some(hash), true, _) => Ok((
                sasl::SCRAM_SHA_256_PLUS,
                sasl::ChannelBinding::tls_server_end_point(hash),
            )),
            // Whoever cut the better offer out is found out by the server.
            (Some(_), false, true) => {
                Ok((sasl::SCRAM_SHA_256, sasl::ChannelBinding::unrequested()))
            }
            (None, _, true) => Ok((sasl::SCRAM_SHA_256, sasl::ChannelBinding::unsupported())),
            _ => Err(ClientError::Authentication),
        }
    }
}

/// How many rounds the server's first message wants (RFC 5802, section 7).
fn rounds(first: &[u8]) -> Option<u32> {
    let part = std::str::from_utf8(first).ok()?.split(',').nth(2)?;
    part.strip_prefix("i=")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(verified: bool, end_point: Option<Vec<u8>>) -> TlsInfo {
        TlsInfo {
            version: String::new(),
            cipher: String::new(),
            server_name: None,
            alpn: None,
            verified,
            end_point,
        }
    }

    #[test]
    fn passwords_are_not_sent_to_listeners() {
        let secret = Secret::new(*b"hunter2");
        let [verified, other] = [true, false].map(|verified| tls(verified, None));
        let login = |is_verified, password| {
            let account = Account {
                user: "u",
                password,
            };
            Login::new(account, Some(if is_verified { &verified } else { &other }))
        };
        let ask = |mut login: Login<'_>, body: &[u8]| {
            let mut out = BytesMut::new();
            login.answer(body, &mut out).map(|()| out)
        };
        let plain = b"\0\0\0\x03";
        assert!(matches!(
            ask(login(false, Some(&secret)), plain),
            Err(ClientError::Plain)
        ));
        assert!(ask(login(true, Some(&secret)), plain).is_ok());
        assert!(matches!(
            ask(login(true, None), plain),
            Err(ClientError::NoPassword)
        ));
        assert!(ask(login(true, None), b"\0\0\0\0").unwrap().is_empty());
        // Only what proves the server too, not the binding to a certificate that we cannot show.
        let plus = b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0\0";
        let refused = ask(login(true, Some(&secret)), plus);
        assert!(matches!(refused, Err(ClientError::Authentication)));
        assert!(ask(login(false, Some(&secret)), b"\0\0\0\x0aSCRAM-SHA-256\0\0").is_ok());
        assert!(ask(login(false, Some(&secret)), b"\0\0\0\x0bx").is_err());
    }

    #[test]
    fn it_is_bound_to_its_tls_where_it_can_be() {
        let secret = Secret::new(*b"hunter2");
        let first = |end_point: Option<Vec<u8>>, offer: &[u8]| {
            let tls = tls(false, end_point);
            let account = Account {
                user: "u",
                password: Some(&secret),
            };
            let mut out = BytesMut::new();
            let mut login = Login::new(account, Some(&tls));
            login.answer(offer, &mut out).map(|()| {
                let said = String::from_utf8_lossy(&out).into_owned();
                said.split_once(",,").unwrap().0.to_owned()
            })
        };
        let both = b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
        let plain = b"\0\0\0\x0aSCRAM-SHA-256\0\0";
        let hash = || Some(vec![1; 32]);
        assert!(
            first(hash(), both)
                .unwrap()
                .ends_with("p=tls-server-end-point")
        );
        assert!(first(hash(), plain).unwrap().ends_with('y'));
        assert!(first(None, both).unwrap().ends_with('n'));
    }

    #[test]
    fn servers_choose_rounds_within_limits() {
        let secret = Secret::new(*b"hunter2");
        let answer = |rounds: &str| {
            let account = Account {
                user: "u",
                password: Some(&secret),
            };
            let (mut login, mut out) = (Login::new(account, None), BytesMut::new());
            let offer = b"\0\0\0\x0aSCRAM-SHA-256\0\0";
            login.answer(offer, &mut out).unwrap();
            let said = String::from_utf8_lossy(&out).into_owned();
            let (_, nonce) = said.rsplit_once("r=").unwrap();
            let first = format!("\0\0\0\x0br={nonce}more,s=c2FsdA==,i={rounds}");
            login.answer(first.as_bytes(), &mut out)
        };
        for good in ["4096", "100000"] {
            assert!(answer(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "x",
            "0",
            "1",
            "4095",
            "100001",
            "4000000000",
            "99999999999",
        ] {
            assert!(matches!(answer(bad), Err(ClientError::Rounds)), "{bad}");
        }
    }
}

//! What a session's masks come to in its database: found out beside it, by `catalog`, while it waits.

use std::sync::Arc;

use gateway_core::mask::screen::question::Question;
use gateway_core::mask::{MaskKey, MaskSet};
use jiff::Timestamp;

use super::Relay;
use super::aside::aside;
use super::catalog::Place;
use super::dial::{Server, Way};
use crate::dialer::Ahead;

impl Relay<'_> {
    /// Finds it out, and tells the session; or that it could not be found out, which ends it.
    pub(super) async fn find_masked(&mut self, masks: Arc<MaskSet>, database: String) {
        let guard = Arc::clone(&self.guard);
        let found = match self.place(database) {
            Ok((place, key)) => {
                let (catalogs, after) = (&self.around.catalogs, self.masked.as_ref());
                tokio::select! {
                    how = guard.cancelled() => return self.session.handle_stop(&how),
                    found = catalogs.masked(place, masks, key.as_ref(), after) => found,
                }
            }
            Err(why) => Err(why.to_owned()),
        };
        if let Ok(masked) = &found {
            self.masked = Some(Arc::clone(masked));
        }
        let now = Timestamp::now();
        aside(&mut self.session, 0, |session| {
            session.handle_masked(found, now);
        });
    }

    /// Asks detectors outside the gateway. Fails closed: what nobody answers for is masked whole.
    pub(super) async fn ask(&mut self, questions: Vec<Question>) {
        let guard = Arc::clone(&self.guard);
        let config = Arc::clone(&self.around.config.borrow());
        let resource = self.session.resource();
        let asked = self
            .around
            .detectors
            .ask(&config.detectors, resource, &questions);
        let answers = tokio::select! {
            how = guard.cancelled() => return self.session.handle_stop(&how),
            answers = asked => answers,
        };
        let now = Timestamp::now();
        aside(&mut self.session, 0, |session| {
            session.handle_answers(answers, now);
        });
    }

    /// Where it is found out, with the key that the configuration has for masks.
    fn place(&self, database: String) -> Result<(Place, Option<MaskKey>), &'static str> {
        let config = Arc::clone(&self.around.config.borrow());
        let name = self.session.resource();
        let mut resources = config.resources.iter();
        let resource = resources.find(|it| name == Some(&it.name));
        let resource = resource.ok_or("the resource is no longer configured")?;
        let login = resource.login.clone();
        let login = login.ok_or("the resource has no credential to read the catalog with")?;
        let place = Place {
            resource: resource.name.clone(),
            server: Server {
                dialer: Arc::clone(&self.around.dialer),
                way: Way {
                    reach: self.route.way.reach,
                    ahead: Ahead::default(),
                },
                protocol: self.framed.protocol(),
                upstream: Arc::clone(&resource.upstream),
                name: self.server_name().map(str::to_owned),
            },
            login,
            database,
        };
        Ok((place, config.mask_key.clone()))
    }
}

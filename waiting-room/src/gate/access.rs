//! Who may ask for something and how often, as requests meet it.

use super::{Gate, Outcome, Passage, host, path, wants_page};
use crate::{
    access::{Account, Counted, Denied, NotKnown, Who},
    entrance::Visitor,
    pages::{Missing, Reader},
    reply::Reply,
    rooms::Room,
};
use contract::Problem;
use http::{
    HeaderName, HeaderValue, Method, StatusCode, header::RETRY_AFTER, header::WWW_AUTHENTICATE,
    request::Parts, uri::PathAndQuery,
};
use std::{sync::Arc, time::Duration};

/// How soon one may ask again whose token could not be read.
const PAUSE: Duration = Duration::from_secs(1);

impl Gate {
    /// By whom a request to `host` is, where a rule asks for that; `plain` is its path in the plainest form.
    ///
    /// # Errors
    /// The answer to who may not ask for it.
    pub(super) async fn account(
        &self,
        request: &Parts,
        host: &str,
        plain: &str,
    ) -> Result<Option<Arc<Account>>, Reply> {
        let rules = &self.access.rules;
        let checked = rules.check(host, plain, &request.method, &request.headers, self.now());
        checked.await.map_err(|denied| {
            let looks = matches!(request.method, Method::GET | Method::HEAD) && wants_page(&request.headers);
            let way_back = request.uri.path_and_query().map_or("/", PathAndQuery::as_str);
            match denied.sign_in_address(way_back).filter(|_| looks) {
                Some(address) => Reply::see_other(&address),
                None => denied_problem(&denied),
            }
        })
    }

    /// Whether a request may be made and stands for no account, as far as the access rules go. To ask changes nothing.
    pub async fn is_nobodys(&self, request: &Parts) -> bool {
        match path::plain(request.uri.path()) {
            Ok(plain) => matches!(self.account(request, host(request), &plain).await, Ok(None)),
            Err(_) => false,
        }
    }

    /// Lets a request on its way to the origin, if it is not one too many. It is for a host and a path in the plainest
    /// form.
    pub(super) fn within_rates(
        &self,
        request: &Parts,
        (host, plain): (&str, &str),
        visitor: &Visitor,
        room: Option<&Room>,
        mut passage: Passage,
    ) -> Outcome {
        let who = Who {
            address: visitor.address,
            session: passage.admitted.as_ref().map(|admitted| admitted.session),
            account: passage.account.as_ref().map(|account| account.subject.as_str()),
        };
        let access = &self.access;
        match access.rates.count(host, plain, &request.method, who, self.now()) {
            Counted::Within(told) => {
                passage.limits = told;
                Outcome::Proxy(passage)
            }
            Counted::Refused(reply) => {
                let reply = match room.filter(|_| wants_page(&request.headers)) {
                    Some(room) => self.too_often_page(request, room, reply),
                    None => reply,
                };
                // Whoever was let in at this moment must not lose the pass.
                Outcome::Answer(passage.cookies.iter().fold(reply, Reply::with_cookie))
            }
        }
    }

    /// The same refusal for people.
    fn too_often_page(&self, request: &Parts, room: &Room, refusal: Reply) -> Reply {
        let page = self
            .pages
            .missing(&Reader::of(request), &room.config, &Missing::Patience);
        let page = Reply::page(StatusCode::TOO_MANY_REQUESTS, page);
        let told = refusal.headers.into_iter().filter(is_about_limits);
        told.fold(page, |page, (name, value)| page.with(name, value))
    }
}

/// Whether a header says how often one may ask.
pub(super) fn is_about_limits((name, _): &(HeaderName, HeaderValue)) -> bool {
    name == RETRY_AFTER || name.as_str().starts_with("ratelimit")
}

/// What an app is told that may not ask (RFC 6750).
fn denied_problem(denied: &Denied) -> Reply {
    let challenge = |problem: &Problem, value: &'static str| {
        Reply::problem(problem).with(WWW_AUTHENTICATE, HeaderValue::from_static(value))
    };
    match denied {
        Denied::NotKnown { why, .. } => match why {
            NotKnown::NotSignedIn => {
                let problem = Problem::new(401, "sign-in-needed", "Sign in first");
                challenge(&problem.detail("Send a valid access token."), "Bearer")
            }
            NotKnown::NotValid => {
                let problem = Problem::new(401, "token-refused", "The access token counts for nothing");
                let problem =
                    problem.detail("It is not genuine, not meant for here, over, or revoked. Sign in again.");
                challenge(&problem, "Bearer error=\"invalid_token\"")
            }
            NotKnown::Twice => {
                let problem = Problem::new(400, "two-tokens", "There are two access tokens");
                challenge(&problem.detail("Send one."), "Bearer error=\"invalid_request\"")
            }
            NotKnown::NoKeys | NotKnown::NoRevocations => {
                let problem = Problem::new(503, "unavailable", "Not available right now");
                let problem = problem.detail("Access tokens cannot be checked. Try again in a moment.");
                Reply::problem(&problem).retry_after(PAUSE)
            }
        },
        Denied::NoRole => {
            let problem = Problem::new(403, "role-missing", "This account may not do that");
            challenge(&problem, "Bearer error=\"insufficient_scope\"")
        }
    }
}

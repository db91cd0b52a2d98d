//! One's addresses.

use super::{account::private, problems::invalid};
use crate::api::{ApiProblem, Segment, SharedShop, fields::Fields, member::Member};
use axum::{
    extract::State,
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use catalog_domain::member::{Address, RawAddress};
use serde_json::json;
use uuid::Uuid;

/// `GET /members/me/addresses`.
pub async fn list(State(shop): State<SharedShop>, member: Member) -> Result<Response, ApiProblem> {
    let addresses = shop.members.addresses(member.id).await?;
    Ok(private(&json!({ "addresses": addresses })))
}

/// `POST /members/me/addresses`.
pub async fn add(
    State(shop): State<SharedShop>,
    member: Member,
    Fields(raw): Fields<RawAddress>,
) -> Result<Response, ApiProblem> {
    let (address, is_default) = check(raw)?;
    let stored = shop.members.add_address(member.id, &address, is_default).await?;
    let location = [(LOCATION, format!("/members/me/addresses/{}", stored.id))];
    Ok((StatusCode::CREATED, location, private(&stored)).into_response())
}

/// `GET /members/me/addresses/{id}`.
pub async fn show(
    State(shop): State<SharedShop>,
    member: Member,
    id: Segment,
) -> Result<Response, ApiProblem> {
    Ok(private(&shop.members.address(member.id, named(&id)?).await?))
}

/// `PUT /members/me/addresses/{id}`.
pub async fn replace(
    State(shop): State<SharedShop>,
    member: Member,
    id: Segment,
    Fields(raw): Fields<RawAddress>,
) -> Result<Response, ApiProblem> {
    let (address, is_default) = check(raw)?;
    Ok(private(
        &shop
            .members
            .replace_address(member.id, named(&id)?, &address, is_default)
            .await?,
    ))
}

/// `DELETE /members/me/addresses/{id}`.
pub async fn remove(
    State(shop): State<SharedShop>,
    member: Member,
    id: Segment,
) -> Result<StatusCode, ApiProblem> {
    shop.members.remove_address(member.id, named(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check(raw: RawAddress) -> Result<(Address, bool), ApiProblem> {
    let is_default = raw.is_default;
    let address = raw.check().map_err(|mistakes| invalid(&mistakes))?;
    Ok((address, is_default))
}

fn named(Segment(id): &Segment) -> Result<Uuid, ApiProblem> {
    id.parse().map_err(|_| ApiProblem::not_found())
}

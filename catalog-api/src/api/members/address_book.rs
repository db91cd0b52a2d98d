//! One's addresses.

use super::{
    account::private,
    problems::{FullBook, Gone, Unavailable, invalid},
};
use crate::{
    api::{ApiProblem, Refusals, Segment, SharedShop, fields::Fields, member::Member},
    members::StoredAddress,
};
use axum::{
    extract::State,
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use catalog_domain::member::{Address, RawAddress};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// All addresses of a member.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddressBook {
    addresses: Vec<StoredAddress>,
}

/// Lists the member's addresses, the default first.
#[utoipa::path(
    get,
    path = "/members/me/addresses",
    operation_id = "listAddresses",
    tag = "members",
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The address book.", body = AddressBook),
        Refusals<(Member, Unavailable,)>,
    )
)]
pub async fn list(State(shop): State<SharedShop>, member: Member) -> Result<Response, ApiProblem> {
    let addresses = shop.members.addresses(member.id).await?;
    Ok(private(&AddressBook { addresses }))
}

/// Adds an address; the first one is the default.
#[utoipa::path(
    post,
    path = "/members/me/addresses",
    operation_id = "addAddress",
    tag = "members",
    request_body = RawAddress,
    security(("access_token" = [])),
    responses(
        (status = 201, description = "The address.", body = StoredAddress),
        Refusals<(Member, Fields<RawAddress>, FullBook, Gone, Unavailable,)>,
    )
)]
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

/// Shows an address.
#[utoipa::path(
    get,
    path = "/members/me/addresses/{id}",
    operation_id = "showAddress",
    tag = "members",
    params(("id" = String, Path, description = "The address.")),
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The address.", body = StoredAddress),
        Refusals<(Member, Segment, Unavailable,)>,
    )
)]
pub async fn show(
    State(shop): State<SharedShop>,
    member: Member,
    id: Segment,
) -> Result<Response, ApiProblem> {
    Ok(private(&shop.members.address(member.id, named(&id)?).await?))
}

/// Replaces an address, and may make it the default.
#[utoipa::path(
    put,
    path = "/members/me/addresses/{id}",
    operation_id = "replaceAddress",
    tag = "members",
    params(("id" = String, Path, description = "The address.")),
    request_body = RawAddress,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The address as it is now.", body = StoredAddress),
        Refusals<(Member, Segment, Fields<RawAddress>, Unavailable,)>,
    )
)]
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

/// Removes an address; if it was the default, the oldest that is left becomes it.
#[utoipa::path(
    delete,
    path = "/members/me/addresses/{id}",
    operation_id = "removeAddress",
    tag = "members",
    params(("id" = String, Path, description = "The address.")),
    security(("access_token" = [])),
    responses(
        (status = 204, description = "Removed."),
        Refusals<(Member, Segment, Unavailable,)>,
    )
)]
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

//! All shelves, and the orders in which they are listed.

use super::{Shelf, Stocked};
use catalog_domain::{Kind, Listing, Place, Product, SaleState, Sort};
use contract::{CategoryId, ProductId};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Every product by its id, and those that are listed in each order.
///
/// A change of a product makes all of it anew, which takes a fifth of a second for 100,000 products; products change
/// rarely, and what changes all the time, their stock, is on the shelves.
#[derive(Debug, Default)]
pub struct Shelves {
    by_id: BTreeMap<ProductId, Arc<Shelf>>,
    lists: HashMap<Filter, Lists>,
}

/// What a list shows: those of a category, of a kind, of both, or everything.
type Filter = (Option<CategoryId>, Option<Kind>);
/// In the order of [`Sort::ALL`].
type Lists = [Vec<Arc<Shelf>>; 4];

const _: () = assert!(Sort::ALL.len() == 4);

/// A page of a list.
#[derive(Debug)]
pub struct Page {
    /// What is on it.
    pub shelves: Vec<Arc<Shelf>>,
    /// Where it goes on, if it does.
    pub next: Option<Place>,
}

impl Shelves {
    fn new(by_id: BTreeMap<ProductId, Arc<Shelf>>) -> Self {
        let mut lists: HashMap<Filter, Lists> = HashMap::new();
        for (number, sort) in Sort::ALL.iter().enumerate() {
            let is_listed = |shelf: &&Arc<Shelf>| shelf.product.state != SaleState::Retired;
            let mut sorted: Vec<_> = by_id.values().filter(is_listed).map(Arc::clone).collect();
            sorted.sort_by_cached_key(|shelf| Place::of(*sort, &shelf.product));
            for shelf in sorted {
                for filter in filters(&shelf) {
                    lists.entry(filter).or_default()[number].push(Arc::clone(&shelf));
                }
            }
        }
        Self { by_id, lists }
    }

    /// With what was read; `whole` says that there is nothing else. Nothing when only stock was news, which the shelves
    /// have learned.
    pub fn with(&self, read: Vec<Stocked>, whole: bool) -> Option<Self> {
        let shelf_of = |product: &Product| self.by_id.get(&product.id);
        let known =
            |stocked: &Stocked| shelf_of(&stocked.product).filter(|shelf| shelf.product == stocked.product);
        for stocked in &read {
            known(stocked).inspect(|shelf| shelf.learn(stocked.stock));
        }
        let all_known = read.iter().all(|stocked| known(stocked).is_some());
        if all_known && (!whole || read.len() == self.by_id.len()) {
            return None;
        }
        let mut next = if whole {
            BTreeMap::new()
        } else {
            self.by_id.clone()
        };
        for stocked in read {
            let shelf = match (known(&stocked), shelf_of(&stocked.product)) {
                (Some(shelf), _) => Arc::clone(shelf),
                (None, Some(shelf)) => Arc::new(shelf.replaced_by(stocked.product, stocked.stock)),
                (None, None) => Arc::new(Shelf::new(stocked.product, stocked.stock)),
            };
            next.insert(shelf.product.id.clone(), shelf);
        }
        Some(Self::new(next))
    }

    /// The shelf of a product.
    pub fn get(&self, id: &ProductId) -> Option<&Arc<Shelf>> {
        self.by_id.get(id)
    }

    /// All shelves in the order of their ids.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Shelf>> {
        self.by_id.values()
    }

    /// A page of those that are listed.
    pub fn page(&self, listing: &Listing) -> Page {
        let lists = self.lists.get(&(listing.category.clone(), listing.kind));
        let number = Sort::ALL.iter().position(|sort| *sort == listing.sort);
        let list = lists
            .zip(number)
            .map_or(&[][..], |(lists, number)| &lists[number]);
        let place = |shelf: &Arc<Shelf>| Place::of(listing.sort, &shelf.product);
        let begin = match &listing.after {
            Some(after) => list.partition_point(|shelf| place(shelf) <= *after),
            None => 0,
        };
        let rest = &list[begin..];
        let shelves = rest[..rest.len().min(listing.limit)].to_vec();
        let more = rest.len() > shelves.len();
        let next = shelves.last().filter(|_| more).map(place);
        Page { shelves, next }
    }
}

fn filters(shelf: &Shelf) -> Vec<Filter> {
    let (category, kind) = (shelf.product.category.clone(), Some(shelf.product.kind));
    let mut filters = vec![(None, None), (None, kind)];
    if category.is_some() {
        filters.extend([(category.clone(), None), (category, kind)]);
    }
    filters
}

CREATE TABLE IF NOT EXISTS delta.`/lake/silver/transactions` (
  `business_date` DATE NOT NULL COMMENT 'day on which the shop delivered the row, in its own time zone',
  `transaction_id` STRING NOT NULL COMMENT 'id of the order line',
  `order_id` STRING NOT NULL COMMENT 'id of the order or basket',
  `user_id` STRING COMMENT 'pseudonym of the buyer; NULL for a guest',
  `product_id` STRING NOT NULL COMMENT 'what was sold',
  `store_id` STRING COMMENT 'where it was sold',
  `quantity` DECIMAL(12,3) NOT NULL COMMENT 'units; negative for a refund; 0 where the shop counts none',
  `unit_price` DECIMAL(14,4) COMMENT 'price per unit as paid; NULL where the quantity is 0',
  `discount` DECIMAL(12,2) COMMENT 'what the price was lowered by, for the whole line',
  `amount` DECIMAL(12,2) NOT NULL COMMENT 'what was paid for the line; negative for a refund',
  `currency` STRING NOT NULL COMMENT 'ISO 4217 code of the amounts',
  `coupon_id` STRING COMMENT 'coupon that lowered the price',
  `payment_id` STRING COMMENT 'pseudonym of the card or account that paid',
  `device_id` STRING COMMENT 'pseudonym of the device it was ordered on',
  `occurred_at` TIMESTAMP NOT NULL COMMENT 'when it was sold, UTC',
  `event_date` DATE NOT NULL COMMENT 'the day it was sold, in the shop\'s time zone',
  `is_known_product` BOOLEAN NOT NULL COMMENT 'whether the catalogue knew the product on the business date',
  `corrects` STRING COMMENT 'of a reversal, the transaction_id that it takes back; of a corrected line, the id that the shop gave it; else NULL',
  `is_reversal` BOOLEAN COMMENT 'true where the row takes back a line that came again changed; else NULL'
) USING delta
COMMENT 'Order lines: typed, checked, unique within the look-back, users pseudonymised. Grain: one row per order line.'
TBLPROPERTIES (
  'delta.enableDeletionVectors' = 'false',
  'delta.dataSkippingStatsColumns' = 'business_date,event_date',
  'delta.constraints.price_is_not_negative' = 'unit_price IS NULL OR unit_price >= 0',
  'delta.constraints.quantity_is_possible' = 'abs(quantity) <= 100000',
  'delta.constraints.amount_follows_quantity' = 'quantity >= 0 OR amount <= 0 OR coalesce(is_reversal, false)',
  'delta.constraints.quantity_follows_amount' = 'quantity <= 0 OR amount >= 0 OR coalesce(is_reversal, false)',
  'delta.constraints.not_in_the_future' = 'event_date <= business_date',
  'delta.constraints.within_look_back' = 'event_date >= date_sub(business_date, 400) OR coalesce(is_reversal, false)'
)

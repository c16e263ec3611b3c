-- Up Migration

-- In which form its record is written. Beside the record, so that a process that does not know the form need not read it to
-- leave it alone. A version that writes records others cannot read raises it in the same statement.
ALTER TABLE holdpoint.approval ADD COLUMN form integer NOT NULL DEFAULT 1 CHECK (form > 0);

-- Empty until there is a form 2: counting what a process leaves alone costs it nothing.
CREATE INDEX approval_later_forms ON holdpoint.approval (form) WHERE form > 1;

-- Down Migration

ALTER TABLE holdpoint.approval DROP COLUMN form;

-- Spanish: what customers say and what the staff answers stand in two tables.
create table clientes (id serial primary key, nombre text not null, apellido text not null, correo text not null);
create table incidencias (id serial primary key, cliente_id int not null references clientes, asunto text not null, detalle text not null, creado_en timestamptz not null default now());
create table mensajes_cliente (id serial primary key, incidencia_id int not null references incidencias, texto text not null, creado_en timestamptz not null default now());
create table respuestas_agente (id serial primary key, incidencia_id int not null references incidencias, agente text not null, texto text not null, creado_en timestamptz not null default now());
insert into clientes (nombre, apellido, correo) values ('Rosa', 'Gil', 'rosa@ejemplo.example'), ('Sergio', 'Mar', 'sergio@ejemplo.example');
insert into incidencias (cliente_id, asunto, detalle) values (1, 'Factura', 'La factura tiene un error en el nombre.'), (2, 'Acceso', 'No puedo entrar en mi cuenta.');
insert into mensajes_cliente (incidencia_id, texto) values (1, 'Gracias, ya está correcta.');
insert into respuestas_agente (incidencia_id, agente, texto) values (1, 'Ana', 'La hemos corregido, mírela.'), (2, 'Ana', 'Pruebe con la clave nueva.');

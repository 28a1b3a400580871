-- A Spanish repair shop: who wrote, and what kind of a message it is, stand in tables of their own; the system and a bot write, too; devices and events are near, and are no tickets.
create table tipos_remitente (id smallint primary key, nombre varchar(30) not null);
create table tipos_mensaje (id smallint primary key, codigo varchar(30) not null);
create table clientes (id serial primary key, nombre varchar(80) not null, apellidos varchar(80), correo varchar(120), telefono varchar(30));
create table empleados (id serial primary key, nombre varchar(80) not null, correo varchar(120) not null);
create table dispositivos (id serial primary key, cliente_id int not null references clientes, modelo varchar(60) not null, descripcion text);
create table eventos_solicitud (id serial primary key, caso_id int, tipo varchar(40) not null, detalle text, creado_en timestamptz not null default now());
create table casos (id serial primary key, cliente_id int not null references clientes, dispositivo_id int references dispositivos, asunto varchar(200) not null, area varchar(30) not null, creado_en timestamptz not null default now());
create table mensajes (id serial primary key, caso_id int not null references casos, tipo_remitente_id smallint not null references tipos_remitente, tipo_mensaje_id smallint not null references tipos_mensaje, cliente_id int references clientes, empleado_id int references empleados, contenido text not null, leido boolean not null default false, creado_en timestamptz not null default now());
insert into tipos_remitente values (1,'Cliente'),(2,'Empleado'),(3,'Sistema'),(4,'Bot');
insert into tipos_mensaje values (1,'respuesta'),(2,'nota_interna'),(3,'cambio_estado');
insert into clientes (nombre,apellidos,correo,telefono) values ('Lucía','Prado','lucia@correo.example','+34600000001'),('Mario','Gil','mario@correo.example',null),('Nora','Sanz','nora@correo.example','+34600000003');
insert into empleados (nombre,correo) values ('Iván','ivan@taller.example'),('Rosa','rosa@taller.example');
insert into dispositivos (cliente_id,modelo,descripcion) values (1,'Lavadora L2','Comprada en la tienda de Vigo en marzo'),(2,'Horno H9','Vino con un golpe en la puerta'),(3,'Nevera N1','La pantalla es de la serie antigua');
insert into casos (cliente_id,dispositivo_id,asunto,area,creado_en) values (1,1,'No centrifuga','soporte','2026-05-01'),(2,2,'Puerta rota','soporte','2026-05-02'),(3,3,'Pide presupuesto','ventas','2026-05-03'),(1,null,'Cambio de dirección','soporte','2026-05-04'),(2,2,'Luz fundida','soporte','2026-05-05');
insert into mensajes (caso_id,tipo_remitente_id,tipo_mensaje_id,cliente_id,empleado_id,contenido,creado_en) values
 (1,1,1,1,null,'La lavadora no centrifuga desde ayer.','2026-05-01 08:00'),
 (1,3,3,null,null,'Estado cambiado a en proceso.','2026-05-01 08:01'),
 (1,4,1,null,null,'Hola, soy el asistente. Le atenderán pronto.','2026-05-01 08:02'),
 (1,2,2,null,1,'Esta señora ya llamó dos veces.','2026-05-01 08:30'),
 (1,2,1,null,1,'¿Hace algún ruido al girar?','2026-05-01 09:00'),
 (1,1,1,1,null,'Sí, un ruido muy fuerte al final.','2026-05-01 10:00'),
 (2,1,1,2,null,'La puerta del horno no cierra bien.','2026-05-02 08:00'),
 (2,2,1,null,2,'Mañana pasa un técnico por su casa.','2026-05-02 09:00'),
 (3,1,1,3,null,'Quiero un presupuesto para tres neveras.','2026-05-03 08:00'),
 (3,2,1,null,2,'Se lo enviamos hoy por correo.','2026-05-03 09:00'),
 (4,1,1,1,null,'Me mudo a la calle Mayor 5.','2026-05-04 08:00'),
 (4,2,1,null,1,'Anotado, gracias por avisarnos.','2026-05-04 09:00'),
 (5,1,1,2,null,'La luz del horno se ha fundido.','2026-05-05 08:00'),
 (5,3,3,null,null,'Estado cambiado a en espera de pieza.','2026-05-05 08:01'),
 (5,2,1,null,2,'La bombilla llega el viernes.','2026-05-05 09:00');
